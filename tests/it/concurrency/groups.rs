//! Mutations that wait for the database at the same time. On SQLite they share a transaction, which
//! nobody but the metrics may notice.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicI64, Ordering},
};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{NEW, STATE, WRITE};
use crate::{
    feed::position,
    observability::metrics::samples,
    support::{
        client::Client,
        database::{Kind, kind},
        server::Server,
        sql::Sql,
    },
};

/// Sends mutations while nobody can write, so that all of them wait.
async fn send_at_once(
    sql: &Sql,
    clients: &[Client],
    query: &str,
    variables: impl Fn(usize) -> Value,
) -> Vec<Value> {
    sql.block_writers().await;
    let sent = clients.iter().enumerate();
    let answers = join_all(sent.map(|(i, client)| client.execute(query, variables(i))));
    let free = async {
        sql.wait_until_blocked().await;
        sql.run("COMMIT").await;
    };
    tokio::join!(answers, free).0
}

fn code(answer: &Value) -> &Value {
    &answer["errors"][0]["extensions"]["code"]
}

/// How many commits there were, and how many writes they had.
async fn commits(client: &Client) -> (f64, f64) {
    let samples = samples(client).await;
    (samples["commit_writes_count"], samples["commit_writes_sum"])
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_wait_share_a_commit_and_fail_alone() {
    let server = Server::with_flags(&WRITE).await;
    let (client, sql) = (server.client(), server.sql().await);
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    let before = commits(&client).await;
    let clients = vec![client.clone(); 32];
    let missing = |i: usize| i % 4 == 3;
    let answers = send_at_once(&sql, &clients, STATE, |i| {
        let step = if missing(i) { 1_000_000 } else { step };
        json!({ "s": step, "t": format!("t{i}") })
    })
    .await;
    let mut cursors = BTreeSet::new();
    for (i, answer) in answers.iter().enumerate() {
        if missing(i) {
            assert_eq!(code(answer), "NOT_FOUND", "{answer:#}");
        } else {
            assert!(answer.get("errors").is_none(), "{answer:#}");
            cursors.insert(position(&answer["data"]["done"]["cursor"]));
        }
    }
    assert_eq!(cursors.len(), 24);
    let events = "SELECT COUNT(*) AS n FROM graphql_events WHERE noun = 4 AND kind = 3";
    assert_eq!(sql.number(events).await, 24);
    let after = commits(&client).await;
    if kind() == Kind::Sqlite {
        assert!(after.0 - before.0 < 20.0, "{before:?} {after:?}");
        assert!(after.1 - before.1 >= 24.0, "{before:?} {after:?}");
    } else {
        assert!(after.0.abs() < 0.5, "{after:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_sent_at_once_is_done_once() {
    let server = Server::with_flags(&WRITE).await;
    let (client, sql) = (server.client(), server.sql().await);
    let build = client.add_build("b").await;
    // Four keys, each sent eight times; the last two of each for another request.
    let clients: Vec<Client> = (0..32)
        .map(|i| {
            client
                .clone()
                .with("idempotency-key", &format!("k{}", i % 4))
        })
        .collect();
    let is_reused = |i: usize| i >= 24;
    let answers = send_at_once(&sql, &clients, NEW, |i| {
        let name = if is_reused(i) { "other" } else { "x" };
        json!({ "b": build, "n": name })
    })
    .await;
    for key in 0..4 {
        let mut of_key = BTreeSet::new();
        let sent = answers.iter().enumerate().filter(|(i, _)| i % 4 == key);
        let (first, other): (Vec<_>, Vec<_>) = sent.partition(|(i, _)| !is_reused(*i));
        let is_done = |answer: &Value| answer.get("errors").is_none();
        // Whichever request came first has the key.
        let (done, refused) = if is_done(first[0].1) {
            (first, other)
        } else {
            (other, first)
        };
        for (_, answer) in done {
            assert!(is_done(answer), "{answer:#}");
            of_key.insert(answer["data"].to_string());
        }
        assert_eq!(of_key.len(), 1, "{of_key:#?}");
        for (_, answer) in refused {
            assert!(!is_done(answer), "{answer:#}");
        }
    }
    assert_eq!(sql.number("SELECT COUNT(*) AS n FROM steps").await, 4);
}

/// SQLite's lock is the whole file's; `locks.rs` has the other databases.
#[tokio::test(flavor = "multi_thread")]
async fn none_waits_longer_than_it_may_for_another_process() {
    if kind() != Kind::Sqlite {
        return;
    }
    let server = Server::with_flags(&["--anonymous", "write", "--busy-seconds", "1"]).await;
    let (client, sql) = (server.client(), server.sql().await);
    let build = client.add_build("b").await;
    sql.block_writers().await;
    let variables = json!({ "b": build, "n": "x" });
    let sent = (0..16).map(|_| client.execute(NEW, variables.clone()));
    for answer in join_all(sent).await {
        assert_eq!(code(&answer), "UNAVAILABLE", "{answer:#}");
    }
    sql.run("COMMIT").await;
    client.new_step(build, "x").await;
    assert_eq!(sql.number("SELECT COUNT(*) AS n FROM steps").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_after_an_answer_comes_after_it_in_the_feed() {
    let server = Server::with_flags(&WRITE).await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    let answered = AtomicI64::new(0);
    let write = async |writer: usize| {
        for i in 0..12 {
            let before = answered.load(Ordering::SeqCst);
            let cursor = client.set_state(step, &format!("{writer} {i}")).await;
            let at = position(&json!(cursor));
            assert!(at > before, "{at} after {before}");
            answered.fetch_max(at, Ordering::SeqCst);
        }
    };
    join_all((0..16).map(write)).await;
}
