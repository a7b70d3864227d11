//! The tokens of our own database.

use sea_orm_migration::prelude::*;

use crate::token::tokens;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for statement in &tokens(manager.get_database_backend()).make {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = tokens(manager.get_database_backend()).drop;
        let db = manager.get_connection();
        db.execute_unprepared(&drop).await?;
        Ok(())
    }
}
