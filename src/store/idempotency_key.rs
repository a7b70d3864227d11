//! Idempotency keys, each with the request that has claimed it and the payloads of its fields that
//! are done.
//!
//! Whoever works on a field of a keyed mutation holds the lock of the key's row until it commits:
//! of two requests with one key, through whichever servers, the second waits and then finds the
//! first one's payload.

use sea_orm::{DeleteMany, IntoActiveModel, QuerySelect, entity::prelude::*};

use crate::{
    domain::error::{Error, Result},
    store::{
        db::{database::Db, transaction::Txn},
        row::from_row,
    },
};

/// A row of `graphql_idempotency_keys`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "graphql_idempotency_keys")]
pub(crate) struct Model {
    /// The SHA-256 of the caller and its key, in hexadecimal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) hash: String,
    /// The SHA-256 of the document and its variables, in hexadecimal.
    pub(crate) request: String,
    /// In seconds since the epoch.
    pub(crate) claimed_at: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

from_row!(Model {
    hash,
    request,
    claimed_at,
});

/// Claims a key for a request, unless that was done before. A claim from before `expired` no longer
/// counts.
///
/// # Errors
/// `KeyReused` where another request has the key.
pub(crate) async fn claim(txn: &Txn, claim: Model, expired: i64) -> Result<()> {
    let found: Option<Model> = txn.one(Entity::find_by_id(&claim.hash)).await?;
    if let Some(found) = found {
        if found.claimed_at >= expired {
            let is_same = found.request == claim.request;
            return is_same.then_some(()).ok_or(Error::KeyReused);
        }
        // By its time too: another request may have claimed it anew meanwhile.
        txn.execute(older([found.hash], expired)).await?;
    }
    let insert = Entity::insert(claim.into_active_model());
    txn.execute(insert).await.map(drop)
}

/// Waits until no other transaction works under this key, and keeps others out until the commit.
///
/// # Errors
/// `Unavailable` where the key has been pruned.
pub(crate) async fn lock(txn: &Txn, hash: &str) -> Result<()> {
    let locked = txn.lock_rows(Entity::find_by_id(hash));
    let locked = locked.select_only().column(Column::Hash);
    let found: Option<(String,)> = txn.one(locked).await?;
    found.map(drop).ok_or(Error::Unavailable)
}

/// Drops at most `batch` keys from before a time with their payloads, and returns how many keys.
pub(crate) async fn prune(db: &Db, before: i64, batch: u64) -> Result<u64> {
    let old: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Hash)
        .filter(Column::ClaimedAt.lt(before))
        .limit(batch)
        .into_tuple()
        .all(&db.reader().await?)
        .await?;
    if old.is_empty() {
        return Ok(0);
    }
    let done = older(old, before).exec(&db.writer).await?;
    Ok(done.rows_affected)
}

/// Deletes those of these keys that were claimed before a time, with their payloads.
fn older(hashes: impl IntoIterator<Item = String>, before: i64) -> DeleteMany<Entity> {
    Entity::delete_many()
        .filter(Column::Hash.is_in(hashes))
        .filter(Column::ClaimedAt.lt(before))
}
