//! Opening a database to serve it, ours or a Buildbot master's, and bringing ours up to date.

use std::sync::Arc;

use sea_orm::{DatabaseConnection, DbBackend};

use crate::{
    config::database::DatabaseConfig,
    domain::command_error::CommandError,
    store::{
        cache::RowCache,
        db::{
            database::Db,
            location::DatabaseLocation,
            lookup::{LOOKUP_CONNECTIONS, LookupConnections},
            migrate::{apply_migrations, pending_migrations},
            observer::Observer,
            owner::{DatabaseOwner, find_owner},
            pool::purpose::Purpose,
            read_account::{SLOW_SNAPSHOT, SLOW_STATEMENT, reader_queue},
            writability::Writability,
            write_group::WriteQueue,
        },
        shared_lookup::SharedLookups,
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
    let db = match find_owner(&location, config).await? {
        DatabaseOwner::Us => connect_current(&location, config, pending).await,
        DatabaseOwner::Buildbot => connect_buildbots(&location, config).await,
    }?;
    if let Some(reason) = location.read_only {
        tracing::warn!(url = location.display_url, %reason, "the database is served read-only");
    }
    if location.is_immutable {
        tracing::warn!(
            "the database is read without locks: once anybody changes it, it is UNAVAILABLE"
        );
    }
    Ok(db)
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
    let applied = match read_pending(&location, &db).await {
        Ok(names) if names.is_empty() => Ok(names),
        Ok(names) => apply(&location, &db, &names).await,
        Err(error) => Err(error),
    };
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
    let names = read_pending(location, &db).await?;
    if names.is_empty() {
        return Ok(db);
    }
    if pending == PendingMigrations::Refuse {
        return Err(CommandError::Pending {
            url: location.display_url.clone(),
            pending: names,
        });
    }
    apply(location, &db, &names).await?;
    Ok(db)
}

async fn read_pending(location: &DatabaseLocation, db: &Db) -> Result<Vec<String>, CommandError> {
    pending_migrations(&db.reader)
        .await
        .map_err(|e| location.open_error(&e))
}

/// Applies these pending migrations, where the database can be written to.
async fn apply(
    location: &DatabaseLocation,
    db: &Db,
    names: &[String],
) -> Result<Vec<String>, CommandError> {
    if let Err(why) = db.require_writable() {
        return Err(location.pending_error(names, &why));
    }
    apply_migrations(location, db).await
}

async fn connect_ours(
    location: &DatabaseLocation,
    config: &DatabaseConfig,
) -> Result<Db, CommandError> {
    let is_sqlite = location.backend == DbBackend::Sqlite;
    let writers = if is_sqlite { 1 } else { config.writers };
    let (write, watch) = match (location.read_only, is_sqlite) {
        (Some(_), _) => (Purpose::Read, Purpose::Read),
        // On SQLite the watcher only polls; elsewhere it also gives events their positions.
        (None, true) => (Purpose::Write, Purpose::Read),
        (None, false) => (Purpose::Write, Purpose::Write),
    };
    // The writer is opened first, as it turns on the write-ahead log.
    let writer = location.open(config, write, writers).await?;
    let reader = open_readers(location, config, Purpose::Read).await?;
    let watcher = location.open(config, watch, 1).await?;
    let snapshots = open_snapshots(location, config, Purpose::Read).await?;
    let db = Db {
        lookups: look_ups(&reader),
        lookup: None,
        writer,
        inline_writer: location.open_inline_writer(),
        write_queue: WriteQueue::default(),
        reader,
        inline: location.open_inline(config, Purpose::Read),
        queue: reader_queue(config.readers, SLOW_STATEMENT),
        account: None,
        watcher,
        snapshots,
        snapshot_queue: reader_queue(config.snapshot_readers, SLOW_SNAPSHOT),
        snapshot_time: config.snapshot_time(),
        is_ours: true,
        file: location.watch()?,
        writability: Writability::new(location.read_only),
        has_lock_durations: Arc::new(true.into()),
        has_log_events: Arc::new(true.into()),
        observer: Observer::default(),
        cache: RowCache::off(),
    };
    db.look().await;
    Ok(db)
}

/// The connections that read: those for callers, those that look up for several, and one for the
/// server itself, which must not wait for them.
async fn open_readers(
    location: &DatabaseLocation,
    config: &DatabaseConfig,
    purpose: Purpose,
) -> Result<DatabaseConnection, CommandError> {
    let connections = config.readers.saturating_add(1);
    let lookups = match location.backend {
        DbBackend::Sqlite => 0,
        _ => LOOKUP_CONNECTIONS,
    };
    let connections = connections.saturating_add(lookups);
    location.open(config, purpose, connections).await
}

/// On a database server alone: a file is read inline.
fn look_ups(reader: &DatabaseConnection) -> Option<Arc<SharedLookups>> {
    let is_file = reader.get_database_backend() == DbBackend::Sqlite;
    (!is_file).then(|| Arc::new(SharedLookups::new(LookupConnections::new(reader.clone()))))
}

async fn connect_buildbots(
    location: &DatabaseLocation,
    config: &DatabaseConfig,
) -> Result<Db, CommandError> {
    let read = Purpose::ReadBuildbots;
    let keep = location.read_only.map_or(Purpose::KeepFeed, |_| read);
    let watch = if location.backend == DbBackend::Sqlite {
        read
    } else {
        keep
    };
    let reader = open_readers(location, config, read).await?;
    let db = Db {
        lookups: look_ups(&reader),
        lookup: None,
        reader,
        inline: location.open_inline(config, read),
        queue: reader_queue(config.readers, SLOW_STATEMENT),
        account: None,
        watcher: location.open(config, watch, 1).await?,
        writer: location.open(config, keep, 1).await?,
        inline_writer: None,
        write_queue: WriteQueue::default(),
        snapshots: open_snapshots(location, config, read).await?,
        snapshot_queue: reader_queue(config.snapshot_readers, SLOW_SNAPSHOT),
        snapshot_time: config.snapshot_time(),
        is_ours: false,
        file: location.watch()?,
        writability: Writability::new(location.read_only),
        // Until `find_feed` has read the revision and the catalog.
        has_lock_durations: Arc::default(),
        has_log_events: Arc::default(),
        observer: Observer::default(),
        cache: RowCache::off(),
    };
    db.look().await;
    Ok(db)
}

async fn open_snapshots(
    location: &DatabaseLocation,
    config: &DatabaseConfig,
    read: Purpose,
) -> Result<DatabaseConnection, CommandError> {
    let of_snapshots = config.for_snapshots(location.backend == DbBackend::Sqlite);
    let connections = config.snapshot_readers;
    location.open(&of_snapshots, read, connections).await
}
