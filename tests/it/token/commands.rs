//! `token create`, `list` and `revoke`: what they print and what they refuse.

use crate::{
    cli::run,
    support::{
        client::Client,
        database::{Database, on_sqlite},
        process::Process,
        sql::Sql,
    },
};

/// Runs a token command that must succeed, and returns its lines.
async fn token(database: &Database, args: &[&str]) -> Vec<String> {
    let (code, stdout, stderr) = try_token(database, args).await;
    assert_eq!(code, Some(0), "{args:?}: {stderr}");
    stdout.lines().map(str::to_owned).collect()
}

async fn try_token(database: &Database, args: &[&str]) -> (Option<i32>, String, String) {
    let database = ["--database-url", &*database.url];
    run(&[&["token"], args, &database].concat()).await
}

fn new<'a>(name: &'a str, scope: &'a str) -> [&'a str; 5] {
    ["create", "--name", name, "--scope", scope]
}

#[tokio::test]
async fn a_token_is_shown_once_and_revoked_by_its_name() {
    let database = Database::fresh().await;
    // The command creates the database as `serve` does.
    let printed = token(&database, &new("ci workers ü", "write")).await;
    let [text] = &*printed else {
        panic!("{printed:?}")
    };
    let digits = text.strip_prefix("bbg_").unwrap();
    assert!(digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let other = token(&database, &new("grafana", "read")).await;
    assert_ne!(other[0], *text);

    let listed = token(&database, &["list"]).await;
    let columns: Vec<_> = listed.iter().map(|line| line.split_at(20)).collect();
    assert_eq!(columns[0].1, "  write  ci workers ü");
    assert_eq!(columns[1].1, "  read   grafana");
    assert!(columns.iter().all(|(made, _)| made.ends_with('Z')));

    let server = Process::start(&database, &["--no-migrate"]).await;
    let client = Client::with_token(server.address, text);
    client.add_build("b").await;
    let revoked = token(&database, &["revoke", "ci workers ü"]).await;
    assert_eq!(revoked, ["revoked ci workers ü"]);
    let (code, _) = client.error(super::QUERY, serde_json::json!({})).await;
    assert_eq!(code, "UNAUTHENTICATED");
    // The name is free for another token.
    let again = token(&database, &new("ci workers ü", "read")).await;
    assert_ne!(again, printed);
    let client = Client::with_token(server.address, &again[0]);
    client.data(super::QUERY, serde_json::json!({})).await;
    let hashes = "SELECT COUNT(*) AS n FROM graphql_tokens WHERE length(hash) = 64";
    assert_eq!(Sql::open(&database).await.number(hashes).await, 2);
}

#[tokio::test]
async fn an_impossible_command_is_refused_with_the_reason() {
    let database = Database::fresh().await;
    token(&database, &new("taken", "read")).await;
    let (long, longest) = ("é".repeat(65), "é".repeat(64));
    for (args, about) in [
        (&new("taken", "write")[..], "\"taken\""),
        (&new("", "read"), "1 to 64"),
        (&new(&long, "read"), "got 65"),
        (&new("two\nlines", "read"), "control characters"),
        (&new("\u{7f}", "read"), "control characters"),
        (&new(" padded", "read"), "space"),
        (&["revoke", "unknown"], "there is no token \"unknown\""),
        (&["revoke", "TAKEN"], "there is no token"),
        (&["revoke", ""], "there is no token"),
    ] {
        let (code, stdout, stderr) = try_token(&database, args).await;
        assert_eq!((code, &*stdout), (Some(1), ""), "{args:?}");
        assert!(stderr.contains(about), "{args:?}: {stderr}");
    }
    for args in [
        &["create"][..],
        &["create", "--name", "x"],
        &["create", "--scope", "read"],
        &new("x", "admin"),
        &["revoke"],
        &["burn"],
    ] {
        assert_eq!(try_token(&database, args).await.0, Some(2), "{args:?}");
    }
    token(&database, &new(&longest, "read")).await;
    assert_eq!(token(&database, &["list"]).await.len(), 2);
}

#[tokio::test]
async fn a_missing_or_empty_database_has_no_tokens() {
    let database = Database::fresh().await;
    if !on_sqlite("elsewhere a database is made by its server") {
        return;
    }
    for args in [&["list"][..], &["revoke", "x"]] {
        let (code, _, stderr) = try_token(&database, args).await;
        assert_eq!(code, Some(1), "{args:?}");
        assert!(stderr.contains("there is no such file"), "{stderr}");
    }
    assert!(!database.file().exists());
    std::fs::write(database.file(), "").unwrap();
    let listed = token(&database, &["list"]).await;
    assert_eq!(listed, ["There are no tokens."]);
    let (code, _, stderr) = try_token(&database, &["revoke", "x"]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("there is no token"), "{stderr}");
    assert_eq!(std::fs::read(database.file()).unwrap(), b"");
    std::fs::write(database.file(), "this is no database, but a text").unwrap();
    let (code, stdout, _) = try_token(&database, &new("x", "read")).await;
    assert_eq!((code, &*stdout), (Some(1), ""));
}
