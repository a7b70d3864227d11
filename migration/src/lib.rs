//! The schema changes of buildbot-graphql, one file each, applied in order.
//! The tables carry Buildbot's own names, so that one set of entities reads both databases.

pub use sea_orm_migration::prelude::{MigratorTrait, SchemaManager};
use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DynIden, IndexCreateStatement, IntoIden, MigrationTrait,
        TableCreateStatement,
    },
    sea_orm::DbBackend,
};

pub mod feed;
mod m0001_builds_and_steps;
mod m0002_step_events;
mod m0003_tokens;
mod m0004_idempotency_keys;
mod m0005_token_expiry;
mod m0006_events;
mod m0007_logs;
pub mod noun;
pub mod token;

/// The table that says which migrations a database has had.
pub const TABLE: &str = "graphql_migrations";

/// Every migration of our own database.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_builds_and_steps::Migration),
            Box::new(m0002_step_events::Migration),
            Box::new(m0003_tokens::Migration),
            Box::new(m0004_idempotency_keys::Migration),
            Box::new(m0005_token_expiry::Migration),
            Box::new(m0006_events::Migration),
            Box::new(m0007_logs::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        TABLE.into_iden()
    }
}

/// Adds what MariaDB and MySQL do not have by default: names compared by their bytes, and writes in
/// transactions.
fn with_table_options(backend: DbBackend, mut table: TableCreateStatement) -> TableCreateStatement {
    // On MariaDB a migration that broke off may have made it already.
    table.if_not_exists();
    if backend == DbBackend::MySql {
        // MariaDB reads the first comment, MySQL the second; neither has the other's collation.
        table.extra(
            "ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 \
             /*M! COLLATE = utf8mb4_nopad_bin */ /*!80000 COLLATE = utf8mb4_0900_bin */",
        );
    }
    table
}

/// A column of text without a bound that matters: MariaDB's TEXT ends at 64 KiB, less than the
/// longest state string.
fn long_text(backend: DbBackend, name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    if backend == DbBackend::MySql {
        column.custom("mediumtext");
    } else {
        column.text();
    }
    column
}

/// Makes an index, unless a migration that broke off has made it: MariaDB cannot roll that back.
async fn create_index(
    manager: &SchemaManager<'_>,
    name: &str,
    table: &str,
    index: IndexCreateStatement,
) -> Result<(), DbErr> {
    if manager.has_index(table, name).await? {
        return Ok(());
    }
    manager.create_index(index).await
}
