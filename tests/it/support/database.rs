//! A fresh database on the server that the tests use: an SQLite file, or a new database on the
//! PostgreSQL or MariaDB server at `TEST_DATABASE_URL`, such as `postgres://test@127.0.0.1:5432`.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sea_orm::{ConnectOptions, ConnectionTrait, Database as Connection};
use tempfile::TempDir;

/// The database server that the tests run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    Mariadb,
}

/// The configured server. None means SQLite.
fn server() -> Option<String> {
    std::env::var("TEST_DATABASE_URL").ok()
}

/// The database server that the tests run on.
pub(crate) fn kind() -> Kind {
    match server() {
        None => Kind::Sqlite,
        Some(url) if url.starts_with("postgres") => Kind::Postgres,
        Some(_) => Kind::Mariadb,
    }
}

/// Whether the tests run on SQLite. A test that needs SQLite calls this first and gives its reason.
pub(crate) fn on_sqlite(reason: &str) -> bool {
    let is = kind() == Kind::Sqlite;
    if !is {
        eprintln!("only on SQLite: {reason}");
    }
    is
}

/// A database of one test, kept until its last clone is dropped.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) url: String,
    /// The file, on SQLite.
    file: PathBuf,
    _dir: Option<Arc<TempDir>>,
}

impl Database {
    /// An empty database.
    pub(crate) async fn fresh() -> Self {
        match server() {
            None => Self::fresh_file(),
            Some(server) => Self::on(&server).await,
        }
    }

    /// An empty database on this server.
    pub(crate) async fn on(server: &str) -> Self {
        Self {
            url: create(server).await,
            file: PathBuf::new(),
            _dir: None,
        }
    }

    /// An SQLite file, not created yet, whatever the tests run on.
    pub(crate) fn fresh_file() -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("steps.sqlite");
        Self {
            _dir: Some(Arc::new(dir)),
            ..Self::at(&file)
        }
    }

    /// An SQLite file that its owner removes.
    pub(crate) fn at(file: &Path) -> Self {
        Self {
            url: format!("sqlite://{}?mode=rwc", file.display()),
            file: file.to_owned(),
            _dir: None,
        }
    }

    /// A copy of an SQLite file, whatever the tests run on.
    pub(crate) fn copy_of(file: &Path) -> Self {
        let copy = Self::fresh_file();
        std::fs::copy(file, &copy.file).unwrap();
        copy
    }

    /// The same database for another user of the server.
    pub(crate) fn of_user(&self, name: &str) -> Self {
        let (scheme, location) = self.url.split_once("://").unwrap();
        let (_, location) = location.split_once('@').unwrap();
        self.by(format!("{scheme}://{name}@{location}"))
    }

    /// The same database by another URL.
    pub(crate) fn by(&self, url: String) -> Self {
        Self {
            url,
            ..self.clone()
        }
    }

    /// The file of an SQLite database.
    pub(crate) fn file(&self) -> &Path {
        assert!(self.url.starts_with("sqlite:"), "{} has no file", self.url);
        &self.file
    }
}

/// Creates a database on the server. It is removed with the server.
async fn create(server: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("t{}_{number}", std::process::id());
    let home = if kind() == Kind::Postgres {
        "postgres"
    } else {
        "mysql"
    };
    let mut options = ConnectOptions::new(format!("{server}/{home}"));
    options.max_connections(1).sqlx_logging(false);
    let connection = Connection::connect(options).await.unwrap();
    connection
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    connection.close().await.unwrap();
    format!("{server}/{name}")
}
