//! What a write is: authorise, check, one transaction, then wake the feed. The verbs are the update methods' names.

pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod step;
pub(crate) mod token;

use futures_util::future::BoxFuture;

use crate::{
    app::App,
    auth::{caller::Caller, scope::Scope},
    domain::{
        error::{Error, Result},
        time,
    },
    store::db::transaction::Txn,
};

/// Does a write for a caller who may.
async fn write<T: Send>(
    app: &App,
    caller: &Caller,
    work: impl for<'t> Fn(&'t Txn) -> BoxFuture<'t, Result<T>> + Send + Sync,
) -> Result<T> {
    if !app.db.is_writable() {
        return Err(Error::ReadOnly);
    }
    caller.require(Scope::Write)?;
    app.db.write(work).await
}

/// The time given, or else the clock's.
fn time_or_now(app: &App, argument: &str, given: Option<i64>) -> Result<i64> {
    let seconds = given.unwrap_or_else(|| app.clock.now());
    if (time::EARLIEST..=time::LATEST).contains(&seconds) {
        return Ok(seconds);
    }
    let value = time::format(seconds).unwrap_or_else(|| format!("{seconds} seconds"));
    Err(Error::invalid(
        argument,
        format!("a time from 1970-01-01T00:00:00Z to 9999-12-31T23:59:59Z, got {value}"),
    ))
}
