//! Opening a database: where and whose it is, and whether its schema is current.

use std::{collections::BTreeSet, sync::Arc};

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, FromQueryResult, Statement,
    sqlx::{mysql::MySqlConnectOptions, postgres::PgConnectOptions, sqlite::SqliteConnectOptions},
};

use url::Url;

use crate::{
    config::database::DatabaseConfig,
    domain::error::CommandError,
    store::{
        Db, Txn,
        db::{
            pool::{self, Purpose},
            statistics::Observer,
        },
    },
};

/// The oldest revision of Buildbot's schema that has every column of `steps`.
pub(crate) const OLDEST_REVISION: &str = "063";
/// The first that has `builds.locks_duration_s`.
pub(crate) const WITH_LOCK_WAITS: &str = "066";
/// The newest revision of Buildbot's schema that we know.
pub(crate) const NEWEST_REVISION: &str = "067";

/// What to do with migrations that the database has not had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PendingMigrations {
    /// Apply them.
    Apply,
    /// Do not start.
    Refuse,
}

/// Whose a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatabaseOwner {
    /// Ours, or empty and to be ours.
    Us,
    /// A Buildbot master's.
    Buildbot,
}

impl Db {
    /// Opens the database and brings its schema up to date, or refuses.
    ///
    /// # Errors
    /// Every reason not to serve this database, in words for the operator.
    pub(crate) async fn connect(
        config: &DatabaseConfig,
        pending: PendingMigrations,
    ) -> Result<Self, CommandError> {
        let place = DatabaseLocation::of(config)?;
        match place.owner(config).await? {
            DatabaseOwner::Us => {
                let db = place.open_ours(config).await?;
                let missing = place.missing(&db.reader).await?;
                if !missing.is_empty() {
                    if pending == PendingMigrations::Refuse {
                        return Err(CommandError::Pending {
                            url: place.shown,
                            pending: missing,
                        });
                    }
                    place.migrate(&db).await?;
                }
                Ok(db)
            }
            DatabaseOwner::Buildbot => place.open_buildbots(config).await,
        }
    }

    /// Applies the pending migrations and says which they were.
    ///
    /// # Errors
    /// As for `connect`, and for a database that is Buildbot's.
    pub(crate) async fn migrate(config: &DatabaseConfig) -> Result<Vec<String>, CommandError> {
        let place = DatabaseLocation::of(config)?;
        if place.owner(config).await? == DatabaseOwner::Buildbot {
            return Err(CommandError::Buildbot {
                url: place.shown,
                advice: "its schema is Buildbot's to migrate".into(),
            });
        }
        let db = place.open_ours(config).await?;
        let applied = place.migrate(&db).await;
        db.close().await;
        applied
    }
}

/// Where a database is.
pub(crate) struct DatabaseLocation {
    url: String,
    /// The same for people: without a password.
    pub(crate) shown: String,
    pub(crate) backend: DbBackend,
}

impl DatabaseLocation {
    pub(crate) fn of(config: &DatabaseConfig) -> Result<Self, CommandError> {
        let given = &config.database_url;
        let (scheme, rest) = given.split_once(':').unwrap_or((given, ""));
        let (backend, url) = match scheme {
            "sqlite" => (DbBackend::Sqlite, given.clone()),
            "postgres" | "postgresql" => (DbBackend::Postgres, format!("postgres:{rest}")),
            "mysql" | "mariadb" => (DbBackend::MySql, format!("mysql:{rest}")),
            // Only the scheme: the rest may hold a password.
            _ => {
                return Err(CommandError::Url(format!(
                    "a URL such as sqlite://buildbot-graphql.sqlite?mode=rwc, postgres://user:password@host/database or \
                     mysql://user:password@host/database, got one of {scheme:?}"
                )));
            }
        };
        let readable = match backend {
            DbBackend::Sqlite => url.parse::<SqliteConnectOptions>().map(|_| ()),
            DbBackend::MySql => url.parse::<MySqlConnectOptions>().map(|_| ()),
            _ => url.parse::<PgConnectOptions>().map(|_| ()),
        };
        readable.map_err(|e| CommandError::Url(e.to_string()))?;
        if backend == DbBackend::Sqlite {
            if rest.contains(":memory:") || rest.contains("mode=memory") {
                return Err(CommandError::Url("a file, not a database in memory".into()));
            }
            return Ok(Self {
                shown: url.clone(),
                url,
                backend,
            });
        }
        let mut shown = Url::parse(&url).map_err(|e| CommandError::Url(e.to_string()))?;
        if shown.path().len() < 2 {
            return Err(CommandError::Url(
                "the name of a database at its end, such as postgres://host/buildbot".into(),
            ));
        }
        // Parameters can hold secrets too. A URL without a host has no password to take out.
        shown.set_query(None);
        let _ = shown.set_password(None);
        Ok(Self {
            url,
            shown: shown.into(),
            backend,
        })
    }

    /// A database that must be there already.
    pub(crate) fn existing(config: &DatabaseConfig) -> Result<Self, CommandError> {
        let place = Self::of(config)?;
        Ok(Self {
            url: place.url.replace("mode=rwc", "mode=rw"),
            ..place
        })
    }

    /// The database is a Buildbot master's, of a revision that we know how to read.
    pub(crate) async fn expect_buildbots(
        &self,
        config: &DatabaseConfig,
    ) -> Result<(), CommandError> {
        match self.owner(config).await? {
            DatabaseOwner::Buildbot => Ok(()),
            DatabaseOwner::Us => Err(CommandError::NotBuildbots {
                url: self.shown.clone(),
            }),
        }
    }

    /// The database is one that we serve: there, and ours or a Buildbot master's.
    pub(crate) async fn expect_known(&self, config: &DatabaseConfig) -> Result<(), CommandError> {
        self.owner(config).await.map(drop)
    }

    pub(crate) fn cannot_open(&self, error: &DbErr) -> CommandError {
        CommandError::Open {
            url: self.shown.clone(),
            reason: reason(error),
        }
    }

    pub(crate) fn cannot_change(&self, error: &DbErr) -> CommandError {
        CommandError::Change {
            url: self.shown.clone(),
            reason: reason(error),
        }
    }

    pub(crate) async fn pool(
        &self,
        config: &DatabaseConfig,
        purpose: Purpose,
        connections: u32,
    ) -> Result<DatabaseConnection, CommandError> {
        self.open(config, purpose, connections)
            .await
            .map_err(|e| self.cannot_open(&e))
    }

    pub(crate) async fn open(
        &self,
        config: &DatabaseConfig,
        purpose: Purpose,
        connections: u32,
    ) -> Result<DatabaseConnection, DbErr> {
        pool::open(&self.url, self.backend, config, purpose, connections).await
    }

    /// Looks into the database without changing anything in it.
    pub(crate) async fn owner(
        &self,
        config: &DatabaseConfig,
    ) -> Result<DatabaseOwner, CommandError> {
        let db = self.pool(config, Purpose::Look, 1).await?;
        let owner = self.look(&db).await;
        if let Err(error) = db.close().await {
            tracing::debug!(%error, "the first look did not close cleanly");
        }
        owner
    }

    async fn look(&self, db: &DatabaseConnection) -> Result<DatabaseOwner, CommandError> {
        let tables = texts(
            db,
            match self.backend {
                DbBackend::Sqlite => {
                    "SELECT name AS text FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
                }
                DbBackend::MySql => {
                    "SELECT table_name AS text FROM information_schema.tables WHERE table_schema = DATABASE()"
                }
                _ => {
                    "SELECT CAST(tablename AS text) AS text FROM pg_tables WHERE schemaname = current_schema()"
                }
            },
        )
        .await
        .map_err(|e| self.cannot_open(&e))?;
        let has = |name: &str| tables.iter().any(|t| t == name);
        if has("alembic_version") {
            let revision = revision(db).await.map_err(|e| self.cannot_open(&e))?;
            self.check_revision(&revision)?;
            return Ok(DatabaseOwner::Buildbot);
        }
        if !has(migration::TABLE) {
            // On MariaDB a first migration that broke off may have left tables of ours.
            return match tables.iter().find(|t| !t.starts_with("graphql_")) {
                None => Ok(DatabaseOwner::Us),
                Some(table) => Err(CommandError::Open {
                    url: self.shown.clone(),
                    reason: format!("it is another program's: it has a table {table:?}"),
                }),
            };
        }
        let known: BTreeSet<String> = Migrator::migrations()
            .iter()
            .map(|m| m.name().to_owned())
            .collect();
        let applied = texts(
            db,
            &format!("SELECT version AS text FROM {}", migration::TABLE),
        )
        .await
        .map_err(|e| self.cannot_open(&e))?;
        match applied.into_iter().find(|m| !known.contains(m)) {
            Some(migration) => Err(CommandError::Newer {
                url: self.shown.clone(),
                migration,
            }),
            None => Ok(DatabaseOwner::Us),
        }
    }

    fn check_revision(&self, revision: &str) -> Result<(), CommandError> {
        if revision < OLDEST_REVISION {
            return Err(CommandError::Buildbot {
                url: self.shown.clone(),
                advice: format!(
                    "its schema has the revision {revision:?}, and {OLDEST_REVISION} is the oldest that has every \
                     column needed; run `buildbot upgrade-master` first"
                ),
            });
        }
        if revision > NEWEST_REVISION {
            tracing::warn!(
                revision,
                known = NEWEST_REVISION,
                "Buildbot's schema is newer than this program knows"
            );
        }
        Ok(())
    }

    async fn open_ours(&self, config: &DatabaseConfig) -> Result<Db, CommandError> {
        let is_sqlite = self.backend == DbBackend::Sqlite;
        let writers = if is_sqlite { 1 } else { config.writers };
        // On SQLite it only looks; elsewhere it gives events their positions.
        let watch = if is_sqlite {
            Purpose::Read
        } else {
            Purpose::Write
        };
        // The writer first: it makes the file.
        let writer = self.pool(config, Purpose::Write, writers).await?;
        Ok(Db {
            writer,
            reader: self.pool(config, Purpose::Read, config.readers).await?,
            watcher: self.pool(config, watch, 1).await?,
            is_ours: true,
            has_lock_waits: Arc::new(true.into()),
            observer: Observer::default(),
        })
    }

    async fn open_buildbots(&self, config: &DatabaseConfig) -> Result<Db, CommandError> {
        let (read, keep) = (Purpose::ReadBuildbots, Purpose::KeepFeed);
        let watch = if self.backend == DbBackend::Sqlite {
            read
        } else {
            keep
        };
        Ok(Db {
            reader: self.pool(config, read, config.readers).await?,
            watcher: self.pool(config, watch, 1).await?,
            writer: self.pool(config, keep, 1).await?,
            is_ours: false,
            has_lock_waits: Arc::default(),
            observer: Observer::default(),
        })
    }

    async fn missing(&self, db: &DatabaseConnection) -> Result<Vec<String>, CommandError> {
        let pending = Migrator::get_pending_migrations_read_only(db)
            .await
            .map_err(|e| self.cannot_open(&e))?;
        Ok(pending.iter().map(|m| m.name().to_owned()).collect())
    }

    /// Applies what is missing, one server at a time, so that several may start together. In one transaction, so that
    /// none is left half-way; where the database ends the transaction at each change of a table, the migrations can be run again.
    async fn migrate(&self, db: &Db) -> Result<Vec<String>, CommandError> {
        let Txn(txn) = db.begin().await?;
        let cannot = |e: DbErr| self.cannot_open(&e);
        let (lock, unlock) = match self.backend {
            DbBackend::Sqlite => (None, None),
            DbBackend::MySql => (
                Some("DO GET_LOCK(CONCAT('graphql_migrations.', DATABASE()), 60)"),
                Some("DO RELEASE_LOCK(CONCAT('graphql_migrations.', DATABASE()))"),
            ),
            _ => (
                Some("SELECT pg_advisory_xact_lock(hashtext('graphql_migrations'))"),
                None,
            ),
        };
        if let Some(lock) = lock {
            txn.execute_unprepared(lock).await.map_err(cannot)?;
        }
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
}

/// What the database said, without our library's words around it.
pub(crate) fn reason(error: &DbErr) -> String {
    match error {
        DbErr::Conn(e) | DbErr::Exec(e) | DbErr::Query(e) => e.to_string(),
        other => other.to_string(),
    }
}

/// The same statement where `builds` has no `locks_duration_s`: nobody counted, so there were none.
pub(crate) fn without_lock_waits(sql: &str) -> String {
    let quoted = |q: char| {
        (
            format!("FROM {q}builds{q}"),
            format!(
                "FROM (SELECT *, 0 AS {q}locks_duration_s{q} FROM {q}builds{q}) AS {q}builds{q}"
            ),
        )
    };
    let ((double, with), (back, also)) = (quoted('"'), quoted('`'));
    sql.replace(&double, &with).replace(&back, &also)
}

/// The revision of Buildbot's schema; empty where it names none.
pub(crate) async fn revision(db: &DatabaseConnection) -> Result<String, DbErr> {
    let revisions = texts(db, "SELECT version_num AS text FROM alembic_version").await?;
    Ok(revisions.into_iter().next().unwrap_or_default())
}

#[derive(FromQueryResult)]
struct Text {
    text: String,
}

pub(crate) async fn texts(db: &DatabaseConnection, sql: &str) -> Result<Vec<String>, DbErr> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = Text::find_by_statement(statement).all(db).await?;
    Ok(rows.into_iter().map(|row| row.text).collect())
}
