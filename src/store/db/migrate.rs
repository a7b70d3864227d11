//! The migrations of our own database: which it has had, and applying the others.

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};

use crate::{
    domain::command_error::CommandError,
    store::db::{catalog::read_texts, database::Db, location::DatabaseLocation},
};

/// The names of all migrations that this program has, in order.
pub(crate) fn known_migrations() -> Vec<String> {
    Migrator::migrations()
        .iter()
        .map(|m| m.name().to_owned())
        .collect()
}

/// The names of the migrations that a database has had.
pub(crate) async fn applied_migrations(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let sql = format!("SELECT version AS text FROM {}", migration::TABLE);
    read_texts(db, &sql).await
}

/// The names of the migrations that a database still needs; it may be empty.
pub(crate) async fn pending_migrations(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let pending = Migrator::get_pending_migrations_read_only(db).await?;
    Ok(pending.iter().map(|m| m.name().to_owned()).collect())
}

/// Statements that let one server at a time migrate, so that several may start together.
pub(crate) fn migration_locks(backend: DbBackend) -> (Option<&'static str>, Option<&'static str>) {
    match backend {
        DbBackend::Sqlite => (None, None),
        DbBackend::MySql => (
            Some("DO GET_LOCK(CONCAT('graphql_migrations.', DATABASE()), 60)"),
            Some("DO RELEASE_LOCK(CONCAT('graphql_migrations.', DATABASE()))"),
        ),
        // PostgreSQL releases it at the end of the transaction.
        _ => (
            Some("SELECT pg_advisory_xact_lock(hashtext('graphql_migrations'))"),
            None,
        ),
    }
}

/// Applies the pending migrations in one transaction, so that none is left half-way, and returns
/// their names. Where the database ends the transaction at each change of a table, as MariaDB does,
/// the migrations can be run again.
pub(crate) async fn apply_migrations(
    location: &DatabaseLocation,
    db: &Db,
) -> Result<Vec<String>, CommandError> {
    let txn = db.begin().await?;
    let cannot = |e: DbErr| location.open_error(&e);
    let (lock, unlock) = migration_locks(location.backend);
    if let Some(lock) = lock {
        txn.execute_unprepared(lock).await.map_err(cannot)?;
    }
    // Read under the lock, as another server may just have applied them.
    let pending = Migrator::get_pending_migrations(&txn)
        .await
        .map_err(cannot)?;
    Migrator::up(&txn, None).await.map_err(cannot)?;
    if let Some(unlock) = unlock {
        txn.execute_unprepared(unlock).await.map_err(cannot)?;
    }
    txn.commit().await.map_err(cannot)?;
    for migration in &pending {
        tracing::info!(name = migration.name(), "migration applied");
    }
    Ok(pending.iter().map(|m| m.name().to_owned()).collect())
}
