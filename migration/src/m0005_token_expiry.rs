//! When a token expires.

use sea_orm_migration::prelude::*;

use crate::token::{EXPIRES_AT, TABLE, add_expiry};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A table that this version has made has it.
        if manager.has_column(TABLE, EXPIRES_AT).await? {
            return Ok(());
        }
        let db = manager.get_connection();
        db.execute_unprepared(&add_expiry()).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = Table::alter().table(TABLE).drop_column(EXPIRES_AT).take();
        manager.alter_table(drop).await
    }
}
