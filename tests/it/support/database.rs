//! A fresh database on the kind of server that the tests were told to use: an SQLite file, or a database of its own on
//! the PostgreSQL or MariaDB at `TEST_DATABASE_URL`, such as `postgres://test@127.0.0.1:5432`.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sea_orm::{ConnectOptions, ConnectionTrait, Database as Connection};
use tempfile::TempDir;

/// Which database server the tests run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    Mariadb,
}

/// The server that was asked for, if any.
fn server() -> Option<String> {
    std::env::var("TEST_DATABASE_URL").ok()
}

/// Which database server the tests run on.
pub(crate) fn kind() -> Kind {
    match server() {
        None => Kind::Sqlite,
        Some(url) if url.starts_with("postgres") => Kind::Postgres,
        Some(_) => Kind::Mariadb,
    }
}

/// Says whether the tests run on SQLite; a test that is about it alone asks first, and says why it is.
pub(crate) fn on_sqlite(reason: &str) -> bool {
    let is = kind() == Kind::Sqlite;
    if !is {
        eprintln!("only on SQLite: {reason}");
    }
    is
}

/// A database of one test, for as long as somebody has it.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) url: String,
    /// The file, on SQLite.
    file: PathBuf,
    _dir: Option<Arc<TempDir>>,
}

impl Database {
    /// An empty one.
    pub(crate) async fn fresh() -> Self {
        match server() {
            None => Self::fresh_file(),
            Some(server) => Self::on(&server).await,
        }
    }

    /// An empty one on this server.
    pub(crate) async fn on(server: &str) -> Self {
        Self {
            url: create(server).await,
            file: PathBuf::new(),
            _dir: None,
        }
    }

    /// An SQLite file to be made, whatever the tests run on.
    pub(crate) fn fresh_file() -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("steps.sqlite");
        Self {
            _dir: Some(Arc::new(dir)),
            ..Self::at(&file)
        }
    }

    /// An SQLite file that somebody else cleans up.
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

    /// The same, on a server that knows users, as another of them.
    pub(crate) fn of_user(&self, name: &str) -> Self {
        let (scheme, place) = self.url.split_once("://").unwrap();
        let (_, place) = place.split_once('@').unwrap();
        Self {
            url: format!("{scheme}://{name}@{place}"),
            ..self.clone()
        }
    }

    /// The file of an SQLite database.
    pub(crate) fn file(&self) -> &Path {
        assert!(self.url.starts_with("sqlite:"), "{} has no file", self.url);
        &self.file
    }
}

/// Makes a database there; it goes when the server goes.
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
