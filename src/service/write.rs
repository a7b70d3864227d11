//! The one function that every write of a builder, build or step goes through.

use futures_util::future::BoxFuture;

use crate::{
    app::App,
    auth::{caller::Caller, scope::Scope},
    domain::error::{Error, Result},
    store::db::transaction::Txn,
};

/// Runs a write in a transaction, if the caller may write. A transaction that conflicts with
/// another is repeated, and `work` runs again.
pub(crate) async fn write<T: Send>(
    app: &App,
    caller: &Caller,
    work: impl for<'t> Fn(&'t Txn) -> BoxFuture<'t, Result<T>> + Send + Sync,
) -> Result<T> {
    // Before the scope, since no token can write to a master's database.
    if !app.db.is_writable() {
        return Err(Error::ReadOnly);
    }
    caller.require(Scope::Write)?;
    app.db.write(work).await
}
