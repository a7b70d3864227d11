//! Opening a database: whose it is, whether its schema is current, and the connections to it.

use std::collections::BTreeSet;

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr, FromQueryResult, Statement,
    sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{Db, Txn};
use crate::{config::DatabaseConfig, error::StartError};

/// The oldest revision of Buildbot's schema that has every column we read.
const OLDEST_REVISION: &str = "066";
/// The newest revision of Buildbot's schema that we know.
const NEWEST_REVISION: &str = "067";

/// What to do with migrations that the database has not had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPending {
    /// Apply them.
    Apply,
    /// Do not start.
    Refuse,
}

/// What a look into the file tells.
enum Owner {
    /// Ours, or empty and to be ours.
    Us,
    /// A Buildbot master's.
    Buildbot { has_feed: bool },
}

impl Db {
    /// Opens the database and brings its schema up to date, or refuses.
    ///
    /// # Errors
    /// Every reason not to serve this database, in words for the operator.
    pub async fn connect(config: &DatabaseConfig, pending: OnPending) -> Result<Self, StartError> {
        let place = Place::of(config)?;
        match place.owner(config).await? {
            Owner::Us => {
                let db = place.open_ours(config).await?;
                let missing = place.missing(&db.reader).await?;
                if !missing.is_empty() {
                    if pending == OnPending::Refuse {
                        return Err(StartError::Pending {
                            url: place.url,
                            pending: missing,
                        });
                    }
                    place.migrate(&db).await?;
                }
                Ok(db)
            }
            Owner::Buildbot { has_feed } => place.open_buildbots(config, has_feed).await,
        }
    }

    /// Applies the pending migrations and says which they were.
    ///
    /// # Errors
    /// As for `connect`, and for a database that is Buildbot's.
    pub async fn migrate(config: &DatabaseConfig) -> Result<Vec<String>, StartError> {
        let place = Place::of(config)?;
        if let Owner::Buildbot { .. } = place.owner(config).await? {
            return Err(StartError::Buildbot {
                url: place.url,
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
struct Place {
    url: String,
}

impl Place {
    fn of(config: &DatabaseConfig) -> Result<Self, StartError> {
        let url = config.database_url.clone();
        let Some(file) = url.strip_prefix("sqlite:") else {
            // Only the scheme: the rest may hold a password.
            let scheme = url.split(':').next().unwrap_or_default();
            return Err(StartError::Url(format!(
                "a sqlite: URL such as sqlite://buildbot-graphql.sqlite?mode=rwc, got one of {scheme:?}"
            )));
        };
        if file.contains(":memory:") || file.contains("mode=memory") {
            return Err(StartError::Url("a file, not a database in memory".into()));
        }
        url.parse::<SqliteConnectOptions>()
            .map_err(|e| StartError::Url(e.to_string()))?;
        Ok(Self { url })
    }

    fn cannot_open(&self, error: &DbErr) -> StartError {
        let reason = match error {
            DbErr::Conn(e) | DbErr::Exec(e) | DbErr::Query(e) => e.to_string(),
            other => other.to_string(),
        };
        StartError::Open {
            url: self.url.clone(),
            reason,
        }
    }

    async fn pool(
        &self,
        config: &DatabaseConfig,
        connections: u32,
        sqlite: impl Fn(SqliteConnectOptions) -> SqliteConnectOptions + Send + Sync + 'static,
    ) -> Result<DatabaseConnection, StartError> {
        let busy = config.busy();
        let mut options = ConnectOptions::new(&self.url);
        options
            .max_connections(connections.max(1))
            .acquire_timeout(busy)
            // A connection that is kept forever keeps its compiled statements, and its place in `data_version`.
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .sqlx_logging(false)
            .record_stmt_in_spans(false)
            .map_sqlx_sqlite_opts(move |o| sqlite(o.busy_timeout(busy)));
        Database::connect(options)
            .await
            .map_err(|e| self.cannot_open(&e))
    }

    /// Looks into the database without changing anything in it.
    async fn owner(&self, config: &DatabaseConfig) -> Result<Owner, StartError> {
        let db = self.pool(config, 1, |o| o).await?;
        let owner = self.look(&db).await;
        if let Err(error) = db.close().await {
            tracing::debug!(%error, "the first look did not close cleanly");
        }
        owner
    }

    async fn look(&self, db: &DatabaseConnection) -> Result<Owner, StartError> {
        let tables = texts(
            db,
            "SELECT name AS text FROM sqlite_master WHERE type = 'table'",
        )
        .await
        .map_err(|e| self.cannot_open(&e))?;
        let has = |name: &str| tables.iter().any(|t| t == name);
        if has("alembic_version") {
            let revisions = texts(db, "SELECT version_num AS text FROM alembic_version")
                .await
                .map_err(|e| self.cannot_open(&e))?;
            self.check_revision(revisions.first().map_or("", String::as_str))?;
            return Ok(Owner::Buildbot {
                has_feed: has("graphql_step_events"),
            });
        }
        if !has(migration::TABLE) {
            return match tables.iter().find(|t| !t.starts_with("sqlite_")) {
                None => Ok(Owner::Us),
                Some(table) => Err(StartError::Open {
                    url: self.url.clone(),
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
            Some(migration) => Err(StartError::Newer {
                url: self.url.clone(),
                migration,
            }),
            None => Ok(Owner::Us),
        }
    }

    fn check_revision(&self, revision: &str) -> Result<(), StartError> {
        if revision < OLDEST_REVISION {
            return Err(StartError::Buildbot {
                url: self.url.clone(),
                advice: format!(
                    "its schema has the revision {revision:?}, and {OLDEST_REVISION} (Buildbot 4.3) is the oldest that has \
                     every column needed; run `buildbot upgrade-master` first"
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

    async fn open_ours(&self, config: &DatabaseConfig) -> Result<Db, StartError> {
        // FULL: after a power loss no position is given out twice that somebody has already heard.
        let ours = |o: SqliteConnectOptions| {
            o.journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
        };
        let writer = self.pool(config, 1, ours).await?;
        let reading = |o: SqliteConnectOptions| o.pragma("query_only", "ON");
        Ok(Db {
            writer: Some(writer),
            reader: self.pool(config, config.readers, reading).await?,
            watcher: self.pool(config, 1, reading).await?,
            has_feed: true,
        })
    }

    async fn open_buildbots(
        &self,
        config: &DatabaseConfig,
        has_feed: bool,
    ) -> Result<Db, StartError> {
        let reading = |o: SqliteConnectOptions| o.read_only(true).create_if_missing(false);
        Ok(Db {
            writer: None,
            reader: self.pool(config, config.readers, reading).await?,
            watcher: self.pool(config, 1, reading).await?,
            has_feed,
        })
    }

    async fn missing(&self, db: &DatabaseConnection) -> Result<Vec<String>, StartError> {
        let pending = Migrator::get_pending_migrations_read_only(db)
            .await
            .map_err(|e| self.cannot_open(&e))?;
        Ok(pending.iter().map(|m| m.name().to_owned()).collect())
    }

    /// Applies what is missing in one transaction, so that servers may start together and none is left half-way.
    async fn migrate(&self, db: &Db) -> Result<Vec<String>, StartError> {
        let Txn(txn) = db.begin().await?;
        let pending = Migrator::get_pending_migrations(&txn)
            .await
            .map_err(|e| self.cannot_open(&e))?;
        Migrator::up(&txn, None)
            .await
            .map_err(|e| self.cannot_open(&e))?;
        txn.commit().await.map_err(|e| self.cannot_open(&e))?;
        for migration in &pending {
            tracing::info!(name = migration.name(), "migration applied");
        }
        Ok(pending.iter().map(|m| m.name().to_owned()).collect())
    }
}

#[derive(FromQueryResult)]
struct Text {
    text: String,
}

async fn texts(db: &DatabaseConnection, sql: &str) -> Result<Vec<String>, DbErr> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = Text::find_by_statement(statement).all(db).await?;
    Ok(rows.into_iter().map(|row| row.text).collect())
}
