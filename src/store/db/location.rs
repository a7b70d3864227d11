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

use crate::{
    config::database::DatabaseConfig,
    domain::{command_error::CommandError, read_only::ReadOnlyReason},
    store::db::{
        error_kind::{DbErrorKind, is_not_opened},
        file_access::{FileAccess, is_free, make_private, why_not_opened},
        inline_reader::{InlineAccess, InlineReaders},
        inline_writer::InlineWriter,
        pool::{
            open::{Target, open},
            purpose::Purpose,
        },
        server_url::ServerUrl,
        watched_file::WatchedFile,
    },
};

/// Where a database is.
pub(crate) struct DatabaseLocation {
    /// The URL for a driver, without a password: sea-orm's traces have it.
    url: String,
    password: Option<String>,
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
        let given = config.url().trim();
        let (scheme, rest) = given.split_once(':').unwrap_or(("", given));
        let (backend, name) = match &*scheme.to_ascii_lowercase() {
            "sqlite" => (DbBackend::Sqlite, "sqlite"),
            "postgres" | "postgresql" => (DbBackend::Postgres, "postgres"),
            "mysql" | "mariadb" => (DbBackend::MySql, "mysql"),
            _ => return Err(other_scheme(scheme, rest)),
        };
        let mut url = format!("{name}:{rest}");
        let (mut file, mut password, mut display_url) = (None, None, url.clone());
        if backend != DbBackend::Sqlite {
            let server = ServerUrl::parse(&url)?;
            (url, password, display_url) = (server.url, server.password, server.display_url);
        }
        let understood = match backend {
            DbBackend::Sqlite => url
                .parse::<SqliteConnectOptions>()
                .map(|options| file = Some(options.get_filename().to_owned())),
            DbBackend::MySql => url.parse::<MySqlConnectOptions>().map(drop),
            _ => url.parse::<PgConnectOptions>().map(drop),
        };
        understood.map_err(|e| CommandError::Url(e.to_string()))?;
        if let Some(file) = &file {
            check_is_file(rest, file)?;
        }
        let location = Self {
            url,
            password,
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
        let target = Target {
            url: &self.url,
            password: self.password.as_deref(),
            backend: self.backend,
        };
        open(target, config, purpose, connections).await
    }

    /// Opens what reads inline, on SQLite. Without it, or where it cannot be opened, the pool
    /// reads.
    pub(crate) fn open_inline(
        &self,
        config: &DatabaseConfig,
        purpose: Purpose,
    ) -> Option<Arc<InlineReaders>> {
        let access = InlineAccess {
            file: self.plain_file()?,
            is_read_only: self.read_only.is_some() || purpose == Purpose::ReadBuildbots,
            is_immutable: self.is_immutable,
        };
        match InlineReaders::open(&access, config.readers.saturating_add(1)) {
            Ok(readers) => Some(Arc::new(readers)),
            Err(error) => {
                tracing::warn!(%error, "reads take longer: the file does not open a second time");
                None
            }
        }
    }

    /// Opens what writes inline to our own database, on SQLite. Without it the pool writes.
    pub(crate) fn open_inline_writer(&self) -> Option<Arc<InlineWriter>> {
        let file = self.plain_file().filter(|_| self.read_only.is_none())?;
        match InlineWriter::open(file) {
            Ok(writer) => Some(Arc::new(writer)),
            Err(error) => {
                tracing::warn!(%error, "writes take longer: the file does not open a second time");
                None
            }
        }
    }

    /// The file, if it needs no parameter that only the pool knows.
    fn plain_file(&self) -> Option<&Path> {
        let (_, parameters) = self.url.split_once('?').unwrap_or_default();
        let is_plain = parameters.split('&').all(|parameter| {
            parameter.is_empty()
                || parameter.starts_with("mode=")
                || parameter.starts_with("immutable=")
        });
        self.file.as_deref().filter(|_| is_plain)
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

/// Refuses a URL of another kind. Only a scheme is told: the rest may hold a password.
fn other_scheme(scheme: &str, rest: &str) -> CommandError {
    let got = if rest.starts_with("//") {
        format!(", got the scheme {scheme:?}")
    } else {
        String::new()
    };
    CommandError::Url(format!(
        "a URL such as sqlite://buildbot-graphql.sqlite?mode=rwc, postgres://user:password@host/database or \
         mysql://user:password@host/database{got}"
    ))
}

/// The database's own message, without sea-orm's words around it.
fn database_words(error: &DbErr) -> String {
    match error {
        DbErr::Conn(e) | DbErr::Exec(e) | DbErr::Query(e) => e.to_string(),
        DbErr::Custom(text) => text.clone(),
        other => other.to_string(),
    }
}
