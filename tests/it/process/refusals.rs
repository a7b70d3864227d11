//! Reasons not to start: exit code 1, nothing on stdout, and a message that names the database or the flag.

use std::path::Path;

use tokio::net::TcpListener;

use super::{place, run, url};
use crate::support::{client::Client, process::Process, sql::Sql};

/// `serve` and `migrate` refuse this database with these words.
async fn refused(url: &str, words: &[&str]) {
    for command in ["serve", "migrate"] {
        let listen = if command == "serve" {
            &["--listen", "127.0.0.1:0"][..]
        } else {
            &[]
        };
        let (code, stdout, stderr) =
            run(&[&[command, "--database-url", url], listen].concat()).await;
        assert_eq!((code, &*stdout), (Some(1), ""), "{command} {url}: {stderr}");
        for word in words {
            assert!(
                stderr.contains(word),
                "{command} {url} without {word:?}: {stderr}"
            );
        }
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

/// The same for a file, whose path is to be named, and which is left as it was.
async fn refused_file(file: &Path, words: &[&str]) {
    let before = std::fs::read(file).unwrap();
    refused(&url(file), &[&[file.to_str().unwrap()], words].concat()).await;
    assert!(
        std::fs::read(file).unwrap() == before,
        "{} was written to",
        file.display()
    );
}

/// A database of ours with a build in it, closed.
async fn made(file: &Path) {
    let mut server = Process::start(file, &[]).await;
    Client::new(server.address).add_build("b").await;
    server.signal("TERM").await;
    server.ended(crate::support::PATIENCE).await;
}

#[tokio::test]
async fn a_path_that_cannot_be_opened() {
    let (dir, file, _) = place();
    let missing = dir.path().join("no/such/folder/steps.sqlite");
    refused(
        &url(&missing),
        &[missing.to_str().unwrap(), "cannot open the database"],
    )
    .await;
    // Without mode=rwc nothing is made.
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
async fn a_file_that_is_no_database() {
    let (_dir, file, _) = place();
    std::fs::write(&file, "This is a letter to a friend.\n".repeat(100)).unwrap();
    refused_file(&file, &["not a database"]).await;
}

#[tokio::test]
async fn a_damaged_database() {
    let (_dir, file, _) = place();
    made(&file).await;
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused_file(&file, &["cannot open the database", "malformed"]).await;
    // The header is whole, and all behind it on the first page is not.
    let mut garbled = whole;
    garbled[100..4_096].fill(0xab);
    std::fs::write(&file, &garbled).unwrap();
    refused_file(&file, &["cannot open the database", "malformed"]).await;
}

#[tokio::test]
async fn a_newer_database() {
    let (_dir, file, _) = place();
    made(&file).await;
    let sql = Sql::open(&file).await;
    sql.run("INSERT INTO graphql_migrations (version, applied_at) VALUES ('m9999_future', 0)")
        .await;
    drop(sql);
    refused(
        &url(&file),
        &[
            file.to_str().unwrap(),
            "newer than this program",
            "m9999_future",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_database_of_another_program_with_tables_named_as_ours() {
    for table in ["steps", "builds", "builders"] {
        let (_dir, file, _) = place();
        foreign(&file, table).await;
        refused_file(&file, &["another program"]).await;
    }
}

#[tokio::test]
async fn a_database_of_another_program() {
    // Migrating into it would leave two programs in one file.
    for table in ["notes", "tags", "moz_places"] {
        let (_dir, file, _) = place();
        foreign(&file, table).await;
        refused_file(&file, &["another program"]).await;
    }
}

async fn foreign(file: &Path, table: &str) {
    std::fs::write(file, "").unwrap();
    Sql::open(file)
        .await
        .run(&format!(
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY, text TEXT)"
        ))
        .await;
}

#[tokio::test]
async fn an_old_buildbot_database() {
    let (_dir, file, _) = place();
    std::fs::write(&file, "").unwrap();
    let sql = Sql::open(&file).await;
    sql.run("CREATE TABLE alembic_version (version_num TEXT)")
        .await;
    sql.run("INSERT INTO alembic_version VALUES ('050')").await;
    drop(sql);
    let (code, _, stderr) = run(&["serve", "--database-url", &url(&file)]).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("050") && stderr.contains("upgrade-master"),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_database_url_of_another_kind() {
    for bad in [
        "mysql://u@h/db",
        "nonsense",
        "",
        "/var/lib/steps.sqlite",
        "sqlite::memory:",
        "sqlite://x?mode=memory",
        "sqlite://x?mode=nonsense",
        "sqlite://x?nonsense=1",
    ] {
        refused(bad, &["--database-url"]).await;
    }
}

#[tokio::test]
async fn a_password_is_not_printed() {
    let (code, stdout, stderr) = run(&[
        "migrate",
        "--database-url",
        "postgres://user:hunter2@example.org/db",
    ])
    .await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("--database-url"), "{stderr}");
    assert!(
        !stderr.contains("hunter2") && !stdout.contains("hunter2"),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (_dir, _, url) = place();
    let (code, stdout, stderr) =
        run(&["serve", "--listen", &address, "--database-url", &url]).await;
    assert_eq!((code, &*stdout), (Some(1), ""));
    assert!(
        stderr.contains(&format!("cannot listen on {address}")) && stderr.contains("in use"),
        "{stderr}"
    );
}
