//! The one function that every write of a builder, build or step goes through.

use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    app::App,
    auth::scope::Scope,
    domain::{bookmark::Bookmark, error::Result, id::ChangeId},
    service::{
        idempotency::write_again,
        presence::IfPresent,
        writer::{KeyedField, Writer},
    },
    store::{cache::written::WrittenRow, db::transaction::Txn, idempotency_payload::OnceForField},
};

/// Runs a write in a transaction, if the caller may write. A transaction that conflicts with
/// another is repeated, and `work` runs again.
pub(crate) async fn write<T>(
    app: &App,
    writer: &Writer,
    work: impl for<'t> Fn(&'t Txn) -> BoxFuture<'t, Result<T>> + Send + Sync,
) -> Result<T>
where
    T: Serialize + DeserializeOwned + Send + Sync,
{
    // Before the scope, since no token can write to a master's database.
    app.db.require_writable()?;
    writer.caller.require(Scope::Write)?;
    let work = IfPresent {
        presence: &writer.presence,
        work: &work,
    };
    match &writer.keyed {
        None => app.db.write(&work).await,
        Some(KeyedField {
            key,
            field,
            deadline,
        }) => {
            let once = OnceForField {
                key_hash: &key.hash,
                field: *field,
                work: &work,
            };
            write_again(&app.db, *deadline, &once).await
        }
    }
}

/// A row after an update, and the bookmark of the event that the update caused.
pub(crate) type Updated<M> = (M, Bookmark);

/// Runs a write that returns the change that it made, and gives the bookmark of the change's event
/// in its place; wakes the feed.
///
/// # Errors
/// Also `WrittenUnread` where it is written and has no position yet.
pub(crate) async fn write_event<T>(
    app: &App,
    writer: &Writer,
    work: impl for<'t> Fn(&'t Txn) -> BoxFuture<'t, Result<(ChangeId, T)>> + Send + Sync,
) -> Result<Updated<T>>
where
    T: Serialize + DeserializeOwned + WrittenRow + Send + Sync,
{
    let (change, row) = write(app, writer, work).await?;
    // Whoever is told of the write must not read its rows as they were before.
    app.db.cache.forget(&row.touched());
    // After the commit, since positions follow the order of commits.
    let bookmark = app.feed.sequence(change).await?;
    app.db.cache.require_forgotten(bookmark.position);
    Ok((row, bookmark))
}
