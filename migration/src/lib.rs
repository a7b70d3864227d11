//! The schema changes of buildbot-graphql, one file each, applied in order.
//! The tables carry Buildbot's own names, so that one set of entities reads both databases.

pub use sea_orm_migration::prelude::MigratorTrait;
use sea_orm_migration::prelude::{DynIden, IntoIden, MigrationTrait};

mod m0001_builds_and_steps;
mod m0002_step_events;

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
        ]
    }

    fn migration_table_name() -> DynIden {
        TABLE.into_iden()
    }
}
