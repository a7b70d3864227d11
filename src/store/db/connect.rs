//! Opening a database to serve it, ours or a Buildbot master's, and bringing ours up to date.

use std::sync::Arc;

use sea_orm::DbBackend;

use crate::{
    config::database::DatabaseConfig,
    domain::command_error::CommandError,
    store::db::{
        database::Db,
        location::DatabaseLocation,
        migrate::{apply_migrations, pending_migrations},
        observer::Observer,
        owner::{DatabaseOwner, find_owner},
        pool::purpose::Purpose,
    },
};

/// What to do with migrations that the database has not had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PendingMigrations {
    Apply,
    /// Do not start.
    Refuse,
}

/// Opens a database and brings its schema up to date, or refuses.
///
/// # Errors
/// Every reason not to serve this database.
pub(crate) async fn connect(
    config: &DatabaseConfig,
    pending: PendingMigrations,
) -> Result<Db, CommandError> {
    let location = DatabaseLocation::parse(config)?;
    match find_owner(&location, config).await? {
        DatabaseOwner::Us => connect_current(&location, config, pending).await,
        DatabaseOwner::Buildbot => connect_buildbots(&location, config).await,
    }
}

/// Applies the pending migrations and returns their names.
///
/// # Errors
/// As for `connect`, and for a database that is Buildbot's.
pub(crate) async fn migrate(config: &DatabaseConfig) -> Result<Vec<String>, CommandError> {
    let location = DatabaseLocation::parse(config)?;
    if find_owner(&location, config).await? == DatabaseOwner::Buildbot {
        return Err(CommandError::Buildbot {
            url: location.display_url,
            advice: "its schema is Buildbot's to migrate".into(),
        });
    }
    let db = connect_ours(&location, config).await?;
    let applied = apply_migrations(&location, &db).await;
    db.close().await;
    applied
}

/// Opens our own database with no migration pending.
async fn connect_current(
    location: &DatabaseLocation,
    config: &DatabaseConfig,
    pending: PendingMigrations,
) -> Result<Db, CommandError> {
    let db = connect_ours(location, config).await?;
    let names = pending_migrations(&db.reader)
        .await
        .map_err(|e| location.open_error(&e))?;
    if names.is_empty() {
        return Ok(db);
    }
    if pending == PendingMigrations::Refuse {
        return Err(CommandError::Pending {
            url: location.display_url.clone(),
            pending: names,
        });
    }
    apply_migrations(location, &db).await?;
    Ok(db)
}

async fn connect_ours(
    location: &DatabaseLocation,
    config: &DatabaseConfig,
) -> Result<Db, CommandError> {
    let is_sqlite = location.backend == DbBackend::Sqlite;
    let writers = if is_sqlite { 1 } else { config.writers };
    // On SQLite the watcher only polls; elsewhere it also gives events their positions.
    let watch = if is_sqlite {
        Purpose::Read
    } else {
        Purpose::Write
    };
    // The writer is opened first, as it makes the file.
    let writer = location.open(config, Purpose::Write, writers).await?;
    let reader = location.open(config, Purpose::Read, config.readers).await?;
    Ok(Db {
        writer,
        reader,
        watcher: location.open(config, watch, 1).await?,
        is_ours: true,
        has_lock_durations: Arc::new(true.into()),
        observer: Observer::default(),
    })
}

async fn connect_buildbots(
    location: &DatabaseLocation,
    config: &DatabaseConfig,
) -> Result<Db, CommandError> {
    let (read, keep) = (Purpose::ReadBuildbots, Purpose::KeepFeed);
    let watch = if location.backend == DbBackend::Sqlite {
        read
    } else {
        keep
    };
    Ok(Db {
        reader: location.open(config, read, config.readers).await?,
        watcher: location.open(config, watch, 1).await?,
        writer: location.open(config, keep, 1).await?,
        is_ours: false,
        // Until `find_feed_epoch` has read the revision.
        has_lock_durations: Arc::default(),
        observer: Observer::default(),
    })
}
