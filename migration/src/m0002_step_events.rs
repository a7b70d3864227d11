//! The change feed of our own database.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::{
    feed::{FeedObject, FeedOwner, feed_objects_of},
    noun::NounSet,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for object in objects(manager.get_database_backend()) {
            for statement in &object.make {
                db.execute_unprepared(statement).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for object in objects(manager.get_database_backend()).iter().rev() {
            db.execute_unprepared(&object.drop).await?;
        }
        Ok(())
    }
}

/// Without those of logs, which come later.
fn objects(backend: DbBackend) -> Vec<FeedObject> {
    feed_objects_of(backend, FeedOwner::Us, NounSet::BEFORE_LOGS)
}
