//! Tokens: shown from a file or a variable, missing, wrong and revoked.

use std::fs;

use buildbot_graphql::testing::Scope;

use super::{Watch, run, watch};
use crate::support::server::Server;

const ADVICE: &str = "give a valid token by --token-file or the variable BUILDBOT_GRAPHQL_TOKEN";

/// A server that only callers with a token may ask, with one build.
async fn guarded() -> Server {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    let token = server.handle.create_token("w", Scope::Write).await.unwrap();
    let client = crate::support::client::Client::with_token(server.address, &token);
    client.add_build("b").await;
    server
}

#[tokio::test]
async fn a_token_comes_from_a_file_or_a_variable() {
    let server = guarded().await;
    let token = server.handle.create_token("r", Scope::Read).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    let by_file = ["--token-file", file.to_str().unwrap()];
    let mut first = Watch::start(server.address, &by_file);
    first.expect("b 1 - - SNAPSHOT - created").await;
    let said = first.expect_log("others may read this file").await;
    assert!(!said.contains(&token), "{said}");
    // The file wins.
    for (args, variable) in [(&[][..], &*token), (&by_file, "bbg_other")] {
        let mut command = watch(server.address, args);
        command.env("BUILDBOT_GRAPHQL_TOKEN", variable);
        let mut watch = Watch::spawn(&mut command);
        watch.expect("b 1 - - SNAPSHOT - created").await;
    }
    fs::write(&file, "\n").unwrap();
    let (code, _, log) = run(server.address, &by_file).await;
    assert_eq!(code, Some(2));
    assert!(log.contains("it must hold a token"), "{log}");
}

#[tokio::test]
async fn a_token_that_is_missing_or_wrong_ends_it() {
    let server = guarded().await;
    let wait = ["--builder", "b", "--build", "1", "--wait"];
    let (code, lines, log) = run(server.address, &wait).await;
    assert_eq!((code, &*lines), (Some(1), ""));
    assert!(log.contains(ADVICE), "{log}");
    let mut command = watch(server.address, &[]);
    command.env("BUILDBOT_GRAPHQL_TOKEN", "bbg_wrong");
    let mut watch = Watch::spawn(&mut command);
    let said = watch.expect_log(ADVICE).await;
    assert!(!said.contains("bbg_wrong"), "{said}");
    assert_eq!(watch.status().await, Some(1));
}

#[tokio::test]
async fn a_token_that_is_revoked_ends_it() {
    let server = guarded().await;
    let token = server.handle.create_token("r", Scope::Read).await.unwrap();
    let mut command = watch(server.address, &[]);
    command.env("BUILDBOT_GRAPHQL_TOKEN", token);
    let mut watch = Watch::spawn(&mut command);
    watch.expect("b 1 - - SNAPSHOT - created").await;
    server.handle.revoke_token("r").await.unwrap();
    watch.expect_log(ADVICE).await;
    assert_eq!(watch.status().await, Some(1));
}
