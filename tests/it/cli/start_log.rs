//! What a server says of itself when it starts.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{io::AsyncReadExt, process::Command, time::timeout};

use super::{run, serve, temporary_database};
use crate::support::{
    TIMEOUT,
    database::Database,
    process::{Process, command},
};

/// The first line of the log about serving, and everything on standard output.
async fn start(flags: &[&str], dir: &Path) -> (Value, String) {
    let mut child = command()
        .args(["serve", "--log-format", "json"])
        .args(flags)
        .current_dir(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = tokio::io::BufReader::new(child.stderr.take().unwrap());
    let mut read = String::new();
    crate::support::process::read_until_served(&mut log, &mut read).await;
    let pid = child.id().unwrap().to_string();
    Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .await
        .unwrap();
    timeout(TIMEOUT, child.wait()).await.unwrap().unwrap();
    let mut printed = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut printed)
        .await
        .unwrap();
    let line = read.lines().last().unwrap();
    (serde_json::from_str(line).unwrap(), printed)
}

#[tokio::test]
async fn the_log_says_what_is_served_to_whom_and_where() {
    let (dir, _, url) = temporary_database();
    let token = [
        "token",
        "create",
        "--name",
        "ci",
        "--scope",
        "read",
        "--database-url",
        &url,
    ];
    assert_eq!(run(&token).await.0, Some(0));
    let flags = [
        "--listen",
        "localhost:0",
        "--database-url",
        &url,
        "--anonymous",
        "none",
        "--jwks-url",
        "https://login.example.org/keys",
        "--jwt-issuer",
        "https://login.example.org/",
        "--jwt-audience",
        "b",
    ];
    let (line, printed) = start(&flags, dir.path()).await;
    assert_eq!(printed, "", "nothing but the log");
    for (key, wanted) in [
        ("level", "INFO"),
        ("target", "buildbot_graphql"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("owner", "us"),
        ("feed", "attached"),
        ("anonymous", "nothing"),
        ("jwt", "https://login.example.org/"),
    ] {
        assert_eq!(line[key], wanted, "{line}");
    }
    assert_eq!(line["tokens"], 1, "{line}");
    let text = |key: &str| line[key].as_str().unwrap();
    assert!(text("database").starts_with("SQLite, sqlite://"), "{line}");
    assert!(text("listen").starts_with("127.0.0.1:"), "{line}");
}

#[tokio::test]
async fn the_log_has_no_password_and_the_text_log_says_the_same() {
    let database = Database::fresh().await;
    let (mut process, mut log) = Process::logging(&database, &[], &[]).await;
    process.signal("TERM").await;
    process.exit_status(Duration::from_secs(20)).await;
    let mut text = String::new();
    log.read_to_string(&mut text).await.unwrap();
    for word in [
        "INFO",
        "buildbot_graphql: serving",
        "version=",
        "feed=",
        "anonymous=",
        "jwt=",
        "listen=",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let password = database.url.split_once("://").unwrap().1.split_once('@');
    if let Some(secret) = password.and_then(|(user, _)| Some(user.split_once(':')?.1)) {
        assert!(!text.contains(&format!(":{secret}@")), "{text}");
    }
}

#[tokio::test]
async fn errors_of_a_json_log_are_json() {
    let dir = tempfile::tempdir().unwrap();
    let missing = format!("sqlite://{}/no.sqlite", dir.path().display());
    for (args, code, word) in [
        (
            &["serve", "--readers", "0", "--log-format", "json"][..],
            2,
            "--readers",
        ),
        (
            &["serve", "--log-format=json", "--lsten", "x"],
            2,
            "--lsten",
        ),
        (&["srve", "--log-format", "json"], 2, "srve"),
        (
            &["serve", "--log-format", "json", "--only-documents"],
            2,
            "--documents",
        ),
        (
            &["serve", "--log-format", "json", "--config", "none.toml"],
            2,
            "none.toml",
        ),
        (
            &[
                "migrate",
                "--log-format",
                "json",
                "--database-url",
                &missing,
            ],
            1,
            "no.sqlite",
        ),
        (
            &[
                "serve",
                "--check",
                "--log-format",
                "json",
                "--database-url",
                &missing,
            ],
            1,
            "no.sqlite",
        ),
    ] {
        let (got, stdout, stderr) = run(args).await;
        assert_eq!((got, &*stdout), (Some(code), ""), "{stderr}");
        assert!(
            !stderr.is_empty() && stderr.contains(word),
            "{args:?}: {stderr}"
        );
        for line in stderr.lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            assert!(line["message"].is_string(), "{line}");
        }
    }
    let mut json = command();
    json.args(["serve", "--readers", "0"])
        .env("BUILDBOT_GRAPHQL_LOG_FORMAT", "json");
    let said = json.output().await.unwrap().stderr;
    let line: Value = serde_json::from_slice(&said).unwrap();
    assert!(
        line["message"].as_str().unwrap().contains("--readers"),
        "{line}"
    );
}

#[tokio::test]
async fn without_graphiql_nothing_mentions_it() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--listen", "127.0.0.1:0", "--no-graphiql"];
    let (_child, printed) = serve(&[], &flags, dir.path()).await;
    let text = printed.join("\n").to_lowercase();
    assert!(
        text.contains("/graphql") && !text.contains("graphiql"),
        "{text}"
    );
}

#[tokio::test]
async fn without_the_page_nothing_mentions_it() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--listen", "127.0.0.1:0", "--no-page"];
    let (_child, printed) = serve(&[], &flags, dir.path()).await;
    let text = printed.join("\n");
    assert!(
        text.contains("GraphiQL") && !text.contains("page"),
        "{text}"
    );
}
