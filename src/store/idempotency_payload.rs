//! The payloads of a keyed mutation's root fields, each written in its field's own transaction: a
//! repetition is told what was done, and does what was not.

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{ActiveValue::Set, entity::prelude::*};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    domain::error::{Error, Result},
    store::{
        db::transaction::{Txn, Work},
        idempotency_key,
        row::from_row,
    },
};

/// A row of `graphql_idempotency_payloads`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "graphql_idempotency_payloads")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) key_hash: String,
    /// The root field's place in the operation, from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) field: i32,
    /// What the field's write returned, in JSON.
    pub(crate) payload: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

from_row!(Model {
    key_hash,
    field,
    payload,
});

/// Work that is done once for a root field of a keyed mutation: its payload is kept with what it
/// writes, and returned instead when it is there already.
pub(crate) struct OnceForField<'a, W> {
    pub(crate) key_hash: &'a str,
    pub(crate) field: i32,
    pub(crate) work: &'a W,
}

impl<T, W> Work<T> for OnceForField<'_, W>
where
    T: Serialize + DeserializeOwned + Send + Sync,
    W: Work<T> + Sync,
{
    fn run<'t>(&'t self, txn: &'t Txn) -> BoxFuture<'t, Result<T>> {
        async move {
            idempotency_key::lock(txn, self.key_hash).await?;
            let id = (self.key_hash.to_owned(), self.field);
            let kept: Option<Model> = txn.one(Entity::find_by_id(id)).await?;
            if let Some(kept) = kept {
                // An earlier version may have kept it in another form.
                return serde_json::from_str(&kept.payload).map_err(|_| Error::WrittenUnread);
            }
            let done = self.work.run(txn).await?;
            let row = ActiveModel {
                key_hash: Set(self.key_hash.to_owned()),
                field: Set(self.field),
                payload: Set(serde_json::to_string(&done).map_err(Error::internal)?),
            };
            txn.execute(Entity::insert(row)).await?;
            Ok(done)
        }
        .boxed()
    }
}
