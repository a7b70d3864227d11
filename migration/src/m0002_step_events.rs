//! The change feed of our own database.

use sea_orm_migration::prelude::*;

use crate::feed::{Home, parts};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for part in parts(manager.get_database_backend(), Home::Ours) {
            for statement in &part.make {
                db.execute_unprepared(statement).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for part in parts(manager.get_database_backend(), Home::Ours)
            .iter()
            .rev()
        {
            db.execute_unprepared(&part.drop).await?;
        }
        Ok(())
    }
}
