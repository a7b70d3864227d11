//! Reasons not to start: exit code 1, empty stdout, and a message that names the database or the
//! flag.

use std::path::Path;

use tokio::net::TcpListener;

use super::{run, temporary_database, url};
use crate::support::{
    client::Client,
    database::{Database, Kind, kind},
    process::Process,
    sql::Sql,
};

/// Checks that `serve` and `migrate` refuse this database with these words.
async fn refused(url: &str, words: &[&str]) {
    for command in ["serve", "migrate"] {
        let listen = if command == "serve" {
            &["--listen", "127.0.0.1:0"][..]
        } else {
            &[]
        };
        let (code, stdout, stderr) = run(&[
            &[command, "--connect-seconds", "1", "--database-url", url],
            listen,
        ]
        .concat())
        .await;
        assert_eq!((code, &*stdout), (Some(1), ""), "{command} {url}: {stderr}");
        for word in words {
            assert!(
                stderr.contains(word),
                "{command} {url} without {word:?}: {stderr}"
            );
        }
        assert!(stderr.contains("ERROR buildbot_graphql: "), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        // Every URL here with a password has this one.
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
}

/// Checks the same for a file, whose path must be named and which must stay unchanged.
async fn refused_file(file: &Path, words: &[&str]) {
    let before = std::fs::read(file).unwrap();
    refused(&url(file), &[&[file.to_str().unwrap()], words].concat()).await;
    assert!(
        std::fs::read(file).unwrap() == before,
        "{} was written to",
        file.display()
    );
}

/// Creates one of our databases with a build in it, and closes it.
async fn create(database: &Database) {
    let mut server = Process::start(database, &[]).await;
    Client::new(server.address).add_build("b").await;
    server.signal("TERM").await;
    server.exit_status(crate::support::TIMEOUT).await;
}

#[tokio::test]
async fn a_path_that_cannot_be_opened_is_refused() {
    let (dir, file, _) = temporary_database();
    let missing = dir.path().join("no/such/folder/steps.sqlite");
    refused(
        &url(&missing),
        &[missing.to_str().unwrap(), "cannot open the database"],
    )
    .await;
    // Without mode=rwc no file is created.
    let plain = format!("sqlite://{}", file.display());
    refused(
        &plain,
        &[file.to_str().unwrap(), "cannot open the database"],
    )
    .await;
    assert!(!file.exists());
    refused(
        &url(dir.path()),
        &[dir.path().to_str().unwrap(), "cannot open the database"],
    )
    .await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let (_dir, file, _) = temporary_database();
    std::fs::write(&file, "This is a letter to a friend.\n".repeat(100)).unwrap();
    refused_file(&file, &["not a database"]).await;
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    let (_dir, file, _) = temporary_database();
    create(&Database::at(&file)).await;
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused_file(&file, &["cannot open the database", "malformed"]).await;
    // The header is intact, and the rest of the first page is not.
    let mut garbled = whole;
    garbled[100..4_096].fill(0xab);
    std::fs::write(&file, &garbled).unwrap();
    refused_file(&file, &["cannot open the database", "malformed"]).await;
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let database = Database::fresh().await;
    create(&database).await;
    let sql = Sql::open(&database).await;
    sql.run("INSERT INTO graphql_migrations (version, applied_at) VALUES ('m9999_future', 0)")
        .await;
    drop(sql);
    let words = [&*database.url, "newer than this program", "m9999_future"];
    refused(&database.url, &words).await;
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    // Migrating would mix two programs in one database, whether or not the tables have our names.
    for table in ["notes", "moz_places", "tags", "steps", "builds", "builders"] {
        let database = Database::fresh().await;
        if kind() == Kind::Sqlite {
            std::fs::write(database.file(), "").unwrap();
        }
        let sql = Sql::open(&database).await;
        sql.run(&format!(
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY, text TEXT)"
        ))
        .await;
        if kind() == Kind::Sqlite {
            drop(sql);
            refused_file(database.file(), &["another program"]).await;
            continue;
        }
        refused(&database.url, &[&*database.url, "another program", table]).await;
        let schema = if kind() == Kind::Postgres {
            "current_schema()"
        } else {
            "DATABASE()"
        };
        let tables = format!(
            "SELECT COUNT(*) AS n FROM information_schema.tables WHERE table_schema = {schema}"
        );
        assert_eq!(sql.number(&tables).await, 1);
    }
}

#[tokio::test]
async fn an_old_buildbot_database_is_refused() {
    let database = Database::fresh().await;
    if kind() == Kind::Sqlite {
        std::fs::write(database.file(), "").unwrap();
    }
    let sql = Sql::open(&database).await;
    sql.run("CREATE TABLE alembic_version (version_num varchar(32))")
        .await;
    sql.run("INSERT INTO alembic_version VALUES ('050')").await;
    drop(sql);
    let (code, _, stderr) = run(&["serve", "--database-url", &database.url]).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("050") && stderr.contains("upgrade-master"),
        "{stderr}"
    );
}

#[tokio::test]
async fn an_invalid_database_url_is_refused() {
    for bad in [
        "nonsense",
        "",
        "/var/lib/steps.sqlite",
        "sqlite::memory:",
        "sqlite://x?mode=memory",
        "sqlite://x?mode=nonsense",
        "sqlite://x?nonsense=1",
        "mongodb://user:hunter2@127.0.0.1/db",
        "postgres:",
        "postgres://user:hunter2@127.0.0.1",
        "postgresql://user:hunter2@127.0.0.1/",
        "postgres://user:hunter2@127.0.0.1:99999/db",
        "postgres://user:hunter2@127.0.0.1/db?sslmode=nonsense",
        "mysql:",
        "mysql://user:hunter2@127.0.0.1",
        "mariadb://user:hunter2@127.0.0.1/?charset=utf8mb4",
        "mysql://user:hunter2@127.0.0.1:x/db",
    ] {
        refused(bad, &["--database-url"]).await;
    }
}

#[tokio::test]
async fn an_unreachable_server_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for (scheme, shown) in [
        ("postgres", "postgres"),
        ("postgresql", "postgres"),
        ("mysql", "mysql"),
        ("mariadb", "mysql"),
    ] {
        let location = format!("127.0.0.1:{port}/db");
        refused(
            &format!("{scheme}://user:hunter2@{location}"),
            &[
                "cannot open the database",
                &format!("{shown}://user@{location}"),
                "refused",
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn a_server_that_denies_access_is_refused() {
    if kind() == Kind::Sqlite {
        // SQLite has no server.
        return;
    }
    let database = Database::fresh().await;
    let (server, name) = database.url.rsplit_once('/').unwrap();
    let (_, location) = server.split_once('@').unwrap();
    let (scheme, _) = server.split_once(':').unwrap();
    refused(
        &format!("{scheme}://nobody:hunter2@{location}/{name}"),
        &[
            "cannot open the database",
            &format!("{scheme}://nobody@{location}/{name}"),
            "nobody",
        ],
    )
    .await;
    refused(
        &format!("{server}/none_such"),
        &[
            "cannot open the database",
            &format!("{server}/none_such"),
            "none_such",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_port_in_use_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (_dir, _, url) = temporary_database();
    let (code, stdout, stderr) =
        run(&["serve", "--listen", &address, "--database-url", &url]).await;
    assert_eq!((code, &*stdout), (Some(1), ""));
    assert!(
        stderr.contains(&format!("cannot listen on {address}")) && stderr.contains("in use"),
        "{stderr}"
    );
}
