//! Where a database is: its URL, and what errors call it.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    sync::Arc,
};

use sea_orm::{
    DatabaseConnection, DbBackend, DbErr,
    sqlx::{mysql::MySqlConnectOptions, postgres::PgConnectOptions, sqlite::SqliteConnectOptions},
};
use url::Url;

use crate::{
    config::database::DatabaseConfig,
    domain::{command_error::CommandError, read_only::ReadOnlyReason},
    store::db::{
        error_kind::{DbErrorKind, is_not_opened},
        file_access::{FileAccess, is_free, make_private, why_not_opened},
        pool::{open::open, purpose::Purpose},
        watched_file::WatchedFile,
    },
};

/// Where a database is.
pub(crate) struct DatabaseLocation {
    url: String,
    /// The URL for people: without a password.
    pub(crate) display_url: String,
    pub(crate) backend: DbBackend,
    /// The file, on SQLite.
    file: Option<PathBuf>,
    /// Why nothing is to be written here.
    pub(crate) read_only: Option<ReadOnlyReason>,
    /// The file is read without locks, as it must not change.
    pub(crate) is_immutable: bool,
    /// What to do about a file that is not there.
    advice: &'static str,
}

impl DatabaseLocation {
    /// Reads the URL of the configuration.
    ///
    /// # Errors
    /// The rule that the URL breaks.
    pub(crate) fn parse(config: &DatabaseConfig) -> Result<Self, CommandError> {
        let given = config.url();
        let (scheme, rest) = given.split_once(':').unwrap_or((given, ""));
        let (backend, url) = match scheme {
            "sqlite" => (DbBackend::Sqlite, given.to_owned()),
            "postgres" | "postgresql" => (DbBackend::Postgres, format!("postgres:{rest}")),
            "mysql" | "mariadb" => (DbBackend::MySql, format!("mysql:{rest}")),
            // Only the scheme: the rest may hold a password.
            _ => {
                let got = if rest.is_empty() { "" } else { "the scheme " };
                return Err(CommandError::Url(format!(
                    "a URL such as sqlite://buildbot-graphql.sqlite?mode=rwc, postgres://user:password@host/database or \
                     mysql://user:password@host/database, got {got}{scheme:?}"
                )));
            }
        };
        let mut file = None;
        let understood = match backend {
            DbBackend::Sqlite => url
                .parse::<SqliteConnectOptions>()
                .map(|options| file = Some(options.get_filename().to_owned())),
            DbBackend::MySql => url.parse::<MySqlConnectOptions>().map(drop),
            _ => url.parse::<PgConnectOptions>().map(drop),
        };
        understood.map_err(|e| CommandError::Url(e.to_string()))?;
        let display_url = match &file {
            Some(file) => {
                check_is_file(rest, file)?;
                url.clone()
            }
            None => without_secrets(&url)?,
        };
        let location = Self {
            url,
            display_url,
            backend,
            file,
            read_only: config.read_only.then_some(ReadOnlyReason::Flag),
            is_immutable: false,
            advice: "; add ?mode=rwc to the URL to make one",
        };
        Ok(location.with_access())
    }

    /// Opens a file that is not to be written to, or cannot be, in a way that works there.
    fn with_access(self) -> Self {
        let Some(file) = &self.file else {
            return self;
        };
        let access = FileAccess::of(file);
        let (path, parameters) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let is_given = |given: &str| parameters.split('&').any(|parameter| parameter == given);
        let is_immutable = access == FileAccess::ReadImmutable
            || is_given("immutable=1")
            || is_given("immutable=true");
        let is_read = access != FileAccess::Write || is_immutable || is_given("mode=ro");
        let read_only = self.read_only.or(is_read.then_some(ReadOnlyReason::File));
        if read_only.is_none() {
            return self;
        }
        let kept = parameters
            .split('&')
            .filter(|p| !p.starts_with("mode=") && !p.starts_with("immutable=") && !p.is_empty());
        let immutable = is_immutable.then_some("immutable=1");
        let parameters: Vec<&str> = kept.chain(["mode=ro"]).chain(immutable).collect();
        Self {
            url: format!("{path}?{}", parameters.join("&")),
            read_only,
            is_immutable,
            advice: "",
            ..self
        }
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
            advice: "",
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
        let writes = matches!(
            purpose,
            Purpose::Command | Purpose::Write | Purpose::Install
        );
        if let Some(reason) = self.read_only.filter(|_| writes) {
            return Err(DbErr::Custom(reason.to_string()));
        }
        if let Some(file) = self.file.as_ref().filter(|_| self.url.contains("mode=rwc")) {
            make_private(file);
        }
        open(&self.url, self.backend, config, purpose, connections).await
    }

    /// Whether opening it to write would make a file.
    pub(crate) fn would_make_file(&self) -> bool {
        let may_make = self.url.contains("mode=rwc");
        self.file
            .as_ref()
            .is_some_and(|file| may_make && is_free(file))
    }

    /// Watches the file, which connections have opened; `None` for a server.
    pub(crate) fn watch(&self) -> Result<Option<Arc<WatchedFile>>, CommandError> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        match WatchedFile::new(file, self.is_immutable) {
            Ok(watched) => Ok(Some(Arc::new(watched))),
            Err(error) => Err(CommandError::Open {
                url: self.display_url.clone(),
                reason: error.to_string(),
            }),
        }
    }

    /// The error of a database that cannot be opened or read.
    pub(crate) fn open_error(&self, error: &DbErr) -> CommandError {
        CommandError::Open {
            url: self.display_url.clone(),
            reason: self.words(error),
        }
    }

    /// Why the database failed, as an operator can mend it.
    pub(crate) fn words(&self, error: &DbErr) -> String {
        if let DbErrorKind::ReadOnly(reason) = DbErrorKind::of(error) {
            return reason.to_string();
        }
        let may_create = self.url.contains("mode=rwc");
        let why = match &self.file {
            Some(file) if is_not_opened(error) => why_not_opened(file, may_create, self.advice),
            _ => None,
        };
        why.unwrap_or_else(|| database_words(error))
    }

    /// The error of a database that cannot be migrated, for this reason.
    pub(crate) fn pending_error(&self, names: &[String], why: &impl Display) -> CommandError {
        let names = names.join(", ");
        CommandError::Change {
            url: self.display_url.clone(),
            reason: format!("it has pending migrations: {names}; {why}"),
        }
    }

    /// The error of a database that cannot be changed.
    pub(crate) fn change_error(&self, error: &DbErr) -> CommandError {
        CommandError::Change {
            url: self.display_url.clone(),
            reason: self.words(error),
        }
    }
}

/// Refuses a database in memory, of which each connection would have its own, and what SQLite would
/// read as a URI of its own.
fn check_is_file(given: &str, file: &Path) -> Result<(), CommandError> {
    let rule = |rule: String| Err(CommandError::Url(rule));
    let path = file.to_string_lossy();
    if given.contains(":memory:") || given.contains("mode=memory") || path == ":memory:" {
        return rule("a file, not a database in memory".to_owned());
    }
    if path.is_empty() || path.starts_with("file:") {
        return rule(format!(
            "the path of a file after sqlite:, such as sqlite://buildbot-graphql.sqlite?mode=rwc, got {path:?}"
        ));
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
fn database_words(error: &DbErr) -> String {
    match error {
        DbErr::Conn(e) | DbErr::Exec(e) | DbErr::Query(e) => e.to_string(),
        DbErr::Custom(text) => text.clone(),
        other => other.to_string(),
    }
}
