//! Where a database is: its URL, and what errors call it.

use sea_orm::{
    DatabaseConnection, DbBackend, DbErr,
    sqlx::{mysql::MySqlConnectOptions, postgres::PgConnectOptions, sqlite::SqliteConnectOptions},
};
use url::Url;

use crate::{
    config::database::DatabaseConfig,
    domain::command_error::CommandError,
    store::db::pool::{open::open, purpose::Purpose},
};

/// Where a database is.
pub(crate) struct DatabaseLocation {
    url: String,
    /// The URL for people: without a password.
    pub(crate) display_url: String,
    pub(crate) backend: DbBackend,
}

impl DatabaseLocation {
    /// Reads the URL of the configuration.
    ///
    /// # Errors
    /// The rule that the URL breaks.
    pub(crate) fn parse(config: &DatabaseConfig) -> Result<Self, CommandError> {
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
        let understood = match backend {
            DbBackend::Sqlite => url.parse::<SqliteConnectOptions>().map(drop),
            DbBackend::MySql => url.parse::<MySqlConnectOptions>().map(drop),
            _ => url.parse::<PgConnectOptions>().map(drop),
        };
        understood.map_err(|e| CommandError::Url(e.to_string()))?;
        let display_url = if backend == DbBackend::Sqlite {
            check_is_file(rest)?;
            url.clone()
        } else {
            without_secrets(&url)?
        };
        Ok(Self {
            url,
            display_url,
            backend,
        })
    }

    /// The product's name.
    pub(crate) fn product(&self) -> &'static str {
        match self.backend {
            DbBackend::Sqlite => "SQLite",
            DbBackend::MySql => "MariaDB or MySQL",
            _ => "PostgreSQL",
        }
    }

    /// The same for a database that must be there already.
    pub(crate) fn parse_existing(config: &DatabaseConfig) -> Result<Self, CommandError> {
        let location = Self::parse(config)?;
        Ok(Self {
            url: location.url.replace("mode=rwc", "mode=rw"),
            ..location
        })
    }

    /// Opens connections, or fails with a `CommandError::Open`.
    pub(crate) async fn open(
        &self,
        config: &DatabaseConfig,
        purpose: Purpose,
        connections: u32,
    ) -> Result<DatabaseConnection, CommandError> {
        self.try_open(config, purpose, connections)
            .await
            .map_err(|e| self.open_error(&e))
    }

    /// Opens connections, or fails with what the database said.
    pub(crate) async fn try_open(
        &self,
        config: &DatabaseConfig,
        purpose: Purpose,
        connections: u32,
    ) -> Result<DatabaseConnection, DbErr> {
        open(&self.url, self.backend, config, purpose, connections).await
    }

    /// The error of a database that cannot be opened or read.
    pub(crate) fn open_error(&self, error: &DbErr) -> CommandError {
        CommandError::Open {
            url: self.display_url.clone(),
            reason: database_words(error),
        }
    }

    /// The error of a database that cannot be changed.
    pub(crate) fn change_error(&self, error: &DbErr) -> CommandError {
        CommandError::Change {
            url: self.display_url.clone(),
            reason: database_words(error),
        }
    }
}

/// Refuses a database in memory, of which each connection would have its own.
fn check_is_file(path: &str) -> Result<(), CommandError> {
    if path.contains(":memory:") || path.contains("mode=memory") {
        return Err(CommandError::Url("a file, not a database in memory".into()));
    }
    Ok(())
}

/// A server's URL without its password and parameters, which can hold secrets too.
fn without_secrets(url: &str) -> Result<String, CommandError> {
    let mut url = Url::parse(url).map_err(|e| CommandError::Url(e.to_string()))?;
    if url.path().len() < 2 {
        return Err(CommandError::Url(
            "the name of a database at its end, such as postgres://host/buildbot".into(),
        ));
    }
    url.set_query(None);
    // Fails only for a URL without a host, which has no password.
    let _ = url.set_password(None);
    Ok(url.into())
}

/// The database's own message, without sea-orm's words around it.
pub(crate) fn database_words(error: &DbErr) -> String {
    match error {
        DbErr::Conn(e) | DbErr::Exec(e) | DbErr::Query(e) => e.to_string(),
        other => other.to_string(),
    }
}
