//! `--follow-log`: the lines of a log with their colours, to its end.

use std::net::SocketAddr;

use serde_json::json;

use super::{Watch, finish_build, run};
use crate::{
    cli,
    fault::{free_address, serve},
    support::{client::Client, database::Database, process::Process, server::Server},
};

impl Watch {
    /// Expects these lines next, as they are.
    async fn expect_texts(&mut self, texts: &[&str]) {
        for text in texts {
            assert_eq!(self.text().await.as_deref(), Some(*text));
        }
    }

    /// Expects no line any more, and this exit status.
    async fn expect_end(mut self, status: i32) {
        assert_eq!(self.text().await, None);
        assert_eq!(self.status().await, Some(status));
    }
}

/// Follows a log of the first build of the builder `b`.
fn follow(address: SocketAddr, log: &str) -> Watch {
    let build = ["--builder", "b", "--build", "1"];
    Watch::start(address, &[&build[..], &["--follow-log", log]].concat())
}

async fn add_log(client: &Client, stepid: i64, name: &str) -> i64 {
    let add = "mutation($s: Int!, $n: String!) { addLog(stepid: $s, name: $n) { log { logid } } }";
    let added = client.data(add, json!({ "s": stepid, "n": name })).await;
    added["addLog"]["log"]["logid"].as_i64().unwrap()
}

async fn append(client: &Client, logid: i64, content: &str) {
    let append = "mutation($l: Int!, $c: String!) { appendLog(logid: $l, content: $c) { cursor } }";
    client
        .data(append, json!({ "l": logid, "c": content }))
        .await;
}

async fn finish(client: &Client, logid: i64) {
    let finish = "mutation($l: Int!) { finishLog(logid: $l) { cursor } }";
    client.data(finish, json!({ "l": logid })).await;
}

#[tokio::test]
async fn a_log_is_printed_with_its_colours_to_its_end() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "compile").await;
    let log = add_log(&client, step, "stdio").await;
    append(
        &client,
        log,
        "\u{1b}[1;31merror\u{1b}[0m: größer ✓\n\n\ttab",
    )
    .await;
    let mut watch = follow(server.address, "stdio");
    let first = "\u{1b}[1;31merror\u{1b}[0m: größer ✓";
    watch.expect_texts(&[first, "", "\ttab"]).await;
    // Nothing else that a terminal obeys.
    append(&client, log, "x\u{1b}]0;title\u{7}").await;
    watch.expect_texts(&[r"x\u{1b}]0;title\u{7}"]).await;
    finish(&client, log).await;
    watch.expect_end(0).await;
    // One that is finished is printed whole.
    let mut watch = follow(server.address, "compile/stdio");
    watch.expect_texts(&[first, "", "\ttab"]).await;
    watch.expect_texts(&[r"x\u{1b}]0;title\u{7}"]).await;
    watch.expect_end(0).await;
}

#[tokio::test]
async fn a_step_or_the_last_one_has_the_log() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    for (step, log, text) in [
        ("compile", "stdio", "compiling"),
        ("test", "stdio", "testing"),
        ("upload", "a log", "uploading"),
    ] {
        let (step, _) = client.new_step(build, step).await;
        let log = add_log(&client, step, log).await;
        append(&client, log, text).await;
        finish(&client, log).await;
    }
    for (name, text) in [
        ("stdio", "testing"),
        ("compile/stdio", "compiling"),
        ("test/stdio", "testing"),
        ("a_log", "uploading"),
    ] {
        let mut watch = follow(server.address, name);
        watch.expect_texts(&[text]).await;
        watch.expect_end(0).await;
    }
    // It may still come, as the build is not complete.
    let mut watch = follow(server.address, "deploy/stdio");
    let (step, _) = client.new_step(build, "deploy").await;
    let log = add_log(&client, step, "stdio").await;
    append(&client, log, "deploying").await;
    watch.expect_texts(&["deploying"]).await;
    finish(&client, log).await;
    watch.expect_end(0).await;
}

#[tokio::test]
async fn a_log_goes_on_after_a_restart() {
    let (database, address) = (Database::fresh().await, free_address());
    let mut server = serve(address, &database, &[]).await;
    // Another writes while there is none at the address.
    let other = Process::start(&database, &[]).await;
    let client = Client::new(other.address);
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "compile").await;
    let log = add_log(&client, step, "stdio").await;
    append(&client, log, "begin").await;
    let mut watch = follow(address, "stdio");
    watch.expect_texts(&["begin"]).await;
    for round in 0..2 {
        let [before, away, after] =
            ["before", "away", "after"].map(|when| format!("\u{1b}[3{round}m{when}\u{1b}[m"));
        append(&client, log, &before).await;
        watch.expect_texts(&[&before]).await;
        server.kill().await;
        watch.expect_log("reconnecting").await;
        append(&client, log, &away).await;
        server = serve(address, &database, &[]).await;
        append(&client, log, &after).await;
        watch.expect_texts(&[&away, &after]).await;
    }
    // It ends while there is no server.
    server.kill().await;
    watch.expect_log("reconnecting").await;
    append(&client, log, "end").await;
    finish(&client, log).await;
    let _server = serve(address, &database, &[]).await;
    watch.expect_texts(&["end"]).await;
    watch.expect_end(0).await;
}

#[tokio::test]
async fn a_log_that_is_not_there_is_named() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "compile").await;
    add_log(&client, step, "stdio").await;
    finish_build(&client, build, "SUCCESS").await;
    for (builder, build, log, said) in [
        (
            "b",
            "1",
            "no",
            "--follow-log \"no\": the build has no such log",
        ),
        (
            "b",
            "1",
            "test/stdio",
            "--follow-log \"test/stdio\": the build has no such log",
        ),
        ("b", "1", "compile/\u{1b}[2J", "the build has no such log"),
        (
            "b",
            "7",
            "stdio",
            "--build 7: there is no such build of the builder \"b\"",
        ),
        (
            "x",
            "1",
            "stdio",
            "--build 1: there is no such build of the builder \"x\"",
        ),
    ] {
        let args = ["--builder", builder, "--build", build, "--follow-log", log];
        let (code, lines, said_log) = run(server.address, &args).await;
        assert_eq!((code, &*lines), (Some(1), ""), "{args:?}: {said_log}");
        assert!(said_log.contains(said), "{args:?}: {said_log}");
        assert!(!said_log.contains('\u{1b}'), "{said_log:?}");
    }
}

#[tokio::test]
async fn flags_that_follow_no_log_are_refused() {
    let build = ["--builder", "b", "--build", "1", "--wait"];
    for (args, said) in [
        (
            &[][..],
            "--follow-log stdio: give --builder NAME and --build N",
        ),
        (
            &["--builder", "b"],
            "--follow-log stdio: give --builder NAME",
        ),
        (&build, "--follow-log stdio: not with --wait"),
    ] {
        let follow = ["watch", "http://127.0.0.1:1", "--follow-log", "stdio"];
        let (code, lines, log) = cli::run(&[&follow[..], args].concat()).await;
        assert_eq!((code, &*lines), (Some(2), ""), "{args:?}: {log}");
        assert!(log.contains(said), "{args:?}: {log}");
    }
}
