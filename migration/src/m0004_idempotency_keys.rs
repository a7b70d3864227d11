//! The idempotency keys of mutations, and the payloads that are kept under them.

use sea_orm_migration::prelude::*;

use crate::{create_index, long_text, with_table_options};

const KEYS: &str = "graphql_idempotency_keys";
const PAYLOADS: &str = "graphql_idempotency_payloads";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let mut hash = ColumnDef::new("hash").string_len(64).not_null().take();
        let keys = Table::create()
            .table(KEYS)
            .col(hash.primary_key())
            .col(ColumnDef::new("request").string_len(64).not_null())
            .col(ColumnDef::new("claimed_at").big_integer().not_null())
            .take();
        let payloads = Table::create()
            .table(PAYLOADS)
            .col(ColumnDef::new("key_hash").string_len(64).not_null())
            .col(ColumnDef::new("field").integer().not_null())
            .col(long_text(backend, "payload").not_null())
            .primary_key(Index::create().col("key_hash").col("field"))
            .foreign_key(
                ForeignKey::create()
                    .from(PAYLOADS, "key_hash")
                    .to(KEYS, "hash")
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .take();
        for table in [keys, payloads] {
            manager
                .create_table(with_table_options(backend, table))
                .await?;
        }
        let name = "graphql_idempotency_keys_claimed_at";
        let index = Index::create()
            .name(name)
            .table(KEYS)
            .col("claimed_at")
            .take();
        create_index(manager, name, KEYS, index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [PAYLOADS, KEYS] {
            manager
                .drop_table(Table::drop().table(table).take())
                .await?;
        }
        Ok(())
    }
}
