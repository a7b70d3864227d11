//! The demo's runs: one row for each start of `serve --demo`. The table is also the mark of a
//! database that the demo has made, and that it may therefore fill.

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, DatabaseConnection, DbErr, Schema, TransactionTrait,
    entity::prelude::*,
};

use crate::{
    config::database::DatabaseConfig,
    domain::{command_error::CommandError, error::Result},
    store::db::{
        catalog::table_names,
        database::Db,
        location::DatabaseLocation,
        migrate::migration_locks,
        owner::{DatabaseOwner, find_owner},
        pool::purpose::Purpose,
        transaction::write_options,
    },
};

/// The table's name.
const TABLE: &str = "graphql_demo_runs";

/// A row of `graphql_demo_runs`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "graphql_demo_runs")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: i32,
    /// In seconds since the epoch.
    pub(crate) started_at: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Marks an empty database as the demo's.
///
/// # Errors
/// `NotDemo` for a database that holds tables and not the mark; nothing is written to it.
pub(crate) async fn claim(config: &DatabaseConfig) -> Result<(), CommandError> {
    // Only an empty database is opened for writing.
    if !expect_claimable(config).await? {
        return Ok(());
    }
    let location = DatabaseLocation::parse(config)?;
    let db = location.open(config, Purpose::Command, 1).await?;
    let marked = mark(&db).await;
    close(db).await;
    let is_marked = marked.map_err(|e| location.change_error(&e))?;
    is_marked.then_some(()).ok_or_else(|| not_demo(&location))
}

/// Refuses a database that the demo may not fill. Returns whether it is empty.
///
/// # Errors
/// As for `claim`, and where nothing can be written.
pub(crate) async fn expect_claimable(config: &DatabaseConfig) -> Result<bool, CommandError> {
    let location = DatabaseLocation::parse(config)?;
    if find_owner(&location, config).await? == DatabaseOwner::Buildbot {
        return Err(not_demo(&location));
    }
    if let Some(reason) = location.read_only {
        return Err(CommandError::Change {
            url: location.display_url,
            reason: reason.to_string(),
        });
    }
    let db = location.open(config, Purpose::Inspect, 1).await?;
    let tables = table_names(&db).await;
    close(db).await;
    let tables = tables.map_err(|e| location.open_error(&e))?;
    if tables.is_empty() || is_marked(&tables) {
        Ok(tables.is_empty())
    } else {
        Err(not_demo(&location))
    }
}

fn not_demo(location: &DatabaseLocation) -> CommandError {
    CommandError::NotDemo {
        url: location.display_url.clone(),
    }
}

fn is_marked(tables: &[String]) -> bool {
    tables.iter().any(|table| table == TABLE)
}

/// Marks the database if it is still empty. Returns whether it has the mark.
async fn mark(db: &DatabaseConnection) -> Result<bool, DbErr> {
    let backend = db.get_database_backend();
    let txn = db.begin_with_options(write_options()).await?;
    // Another server that starts at this moment has migrated before, or waits until afterwards.
    let (lock, unlock) = migration_locks(backend);
    if let Some(lock) = lock {
        txn.execute_unprepared(lock).await?;
    }
    let tables = table_names(&txn).await?;
    if tables.is_empty() {
        let table = Schema::new(backend).create_table_from_entity(Entity);
        txn.execute(&table).await?;
    }
    if let Some(unlock) = unlock {
        txn.execute_unprepared(unlock).await?;
    }
    txn.commit().await?;
    Ok(tables.is_empty() || is_marked(&tables))
}

async fn close(db: DatabaseConnection) {
    if let Err(error) = db.close().await {
        tracing::debug!(%error, "the connection did not close cleanly");
    }
}

/// Begins a run, and returns its number. Every earlier one is over.
pub(crate) async fn begin(db: &Db, now: i64) -> Result<i32> {
    let new = ActiveModel {
        id: NotSet,
        started_at: Set(now),
    };
    Ok(new.insert(&db.writer).await?.id)
}

/// Whether no later run has begun than this one.
pub(crate) async fn is_newest(db: &Db, id: i32) -> Result<bool> {
    let later = Entity::find().filter(Column::Id.gt(id));
    Ok(later.one(&db.reader().await?).await?.is_none())
}
