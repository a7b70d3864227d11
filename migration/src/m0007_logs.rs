//! Logs and their chunks: Buildbot's names, types and indexes, and their events.

use sea_orm_migration::{
    prelude::*,
    sea_orm::{ConnectionTrait, DbBackend, DbErr},
};

use crate::{
    create_index,
    feed::{FeedOwner, columns::add_log_columns, feed_objects, record},
    long_text,
    noun::Noun,
    with_table_options,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (db, backend) = (manager.get_connection(), manager.get_database_backend());
        manager.create_table(logs(backend)).await?;
        manager.create_table(log_chunks(backend)).await?;
        create_index(
            manager,
            "logs_slug",
            "logs",
            index("logs_slug", "logs", "slug").unique().take(),
        )
        .await?;
        // Unique, unlike Buildbot's: no two chunks of a log may begin with the same line.
        let name = "logchunks_firstline";
        let first_line = index(name, "logchunks", "first_line").unique().take();
        create_index(manager, name, "logchunks", first_line).await?;
        let name = "logchunks_lastline";
        let last_line = index(name, "logchunks", "last_line");
        create_index(manager, name, "logchunks", last_line).await?;
        add_log_columns(manager).await?;
        // Without a gap before them: until now there were no logs.
        let objects = feed_objects(backend, FeedOwner::Us);
        for statement in record(&objects, Noun::Log) {
            db.execute_unprepared(&statement).await?;
        }
        Ok(())
    }
}

fn logs(backend: DbBackend) -> TableCreateStatement {
    let id = ColumnDef::new("id")
        .integer()
        .not_null()
        .auto_increment()
        .primary_key()
        .take();
    let logs = Table::create()
        .table("logs")
        .col(id)
        .col(long_text(backend, "name").not_null())
        .col(ColumnDef::new("slug").string_len(50).not_null())
        .col(ColumnDef::new("stepid").integer().not_null())
        .col(ColumnDef::new("complete").small_integer().not_null())
        .col(ColumnDef::new("num_lines").integer().not_null())
        .col(ColumnDef::new("type").string_len(1).not_null())
        .foreign_key(&mut belongs_to("logs", "stepid", "steps"))
        .take();
    with_table_options(backend, logs)
}

fn log_chunks(backend: DbBackend) -> TableCreateStatement {
    let mut content = ColumnDef::new("content");
    if backend == DbBackend::MySql {
        // Its BLOB ends at 65,535 bytes.
        content.custom("mediumblob");
    } else {
        content.blob();
    }
    let chunks = Table::create()
        .table("logchunks")
        .col(ColumnDef::new("logid").integer().not_null())
        .col(ColumnDef::new("first_line").integer().not_null())
        .col(ColumnDef::new("last_line").integer().not_null())
        .col(content.not_null())
        .col(ColumnDef::new("compressed").small_integer().not_null())
        .foreign_key(&mut belongs_to("logchunks", "logid", "logs"))
        .take();
    with_table_options(backend, chunks)
}

fn belongs_to(
    table: &'static str,
    column: &'static str,
    to: &'static str,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(table, column)
        .to(to, "id")
        .on_delete(ForeignKeyAction::Cascade)
        .take()
}

/// An index of a parent's rows by a column.
fn index(name: &'static str, table: &'static str, column: &'static str) -> IndexCreateStatement {
    let parent = if table == "logs" { "stepid" } else { "logid" };
    Index::create()
        .name(name)
        .table(table)
        .col(parent)
        .col(column)
        .take()
}
