//! The change feed of our own database.

use sea_orm_migration::prelude::*;

use crate::feed::{FeedOwner, feed_objects};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for object in feed_objects(manager.get_database_backend(), FeedOwner::Us) {
            for statement in &object.make {
                db.execute_unprepared(statement).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for object in feed_objects(manager.get_database_backend(), FeedOwner::Us)
            .iter()
            .rev()
        {
            db.execute_unprepared(&object.drop).await?;
        }
        Ok(())
    }
}
