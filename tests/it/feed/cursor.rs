//! Cursors: their syntax, and where and how long they stay valid.

use serde_json::json;

use crate::{
    feed::{after, newest_cursor, position},
    support::{
        client::Client,
        database::{Database, on_sqlite},
        process::Process,
        server::Server,
        sql::Sql,
        ws::Ws,
    },
};

/// The code of the error that ends a subscription with these arguments.
async fn refused(server: &Server, arguments: &str) -> String {
    let mut ws = server.ws().await;
    ws.subscribe(arguments).await;
    ws.stream_error().await.0
}

#[tokio::test]
async fn an_invalid_cursor_is_refused() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, cursor) = client.new_step(build, "s").await;
    let (epoch, digits) = cursor.split_at(8);
    let garbage = [
        String::new(),
        "x".into(),
        "0".into(),
        digits[1..].into(),
        format!("{epoch}{}", &digits[1..]),
        format!("{cursor}0"),
        format!(" {cursor}"),
        format!("{epoch}{}g", &digits[1..]),
        // A lax parser would read this as a number.
        format!("{epoch}+{}", &digits[1..]),
        format!("{epoch}-{}", &digits[1..]),
        format!("zzzzzzzz{digits}"),
        "ü".repeat(12),
        "ä".repeat(24),
    ];
    let mut let_in = Vec::new();
    for text in garbage {
        let mut ws = server.ws().await;
        ws.subscribe(&after(&text)).await;
        // An accepted subscription would receive this event.
        client.set_state(stepid, "busy").await;
        let message = ws.receive().await;
        if message["payload"]["data"].is_object() {
            let_in.push(text);
            continue;
        }
        let errors = [&message["payload"]["errors"][0], &message["payload"][0]];
        let code = errors.iter().find_map(|e| e["extensions"]["code"].as_str());
        if code != Some("BAD_USER_INPUT") {
            let_in.push(format!("{text} as {code:?}"));
        }
    }
    assert!(let_in.is_empty(), "{let_in:#?}");
    let newest = position(&json!(newest_cursor(&client).await));
    let ahead = format!("{epoch}{:016x}00000000", newest + 1);
    assert_eq!(refused(&server, &after(&ahead)).await, "CURSOR_EXPIRED");
    // As they were before cursors had a mark.
    let old = &ahead[..24];
    assert_eq!(refused(&server, &after(old)).await, "CURSOR_EXPIRED");
}

#[tokio::test]
async fn cursors_survive_a_restart_and_work_on_every_server_of_the_database() {
    let database = Database::fresh().await;
    let first = Process::start(&database, &[]).await;
    let client = Client::new(first.address);
    let build = client.add_build("b").await;
    let (stepid, old) = client.new_step(build, "s").await;
    let missed = client.set_state(stepid, "missed").await;
    first.kill().await;

    let second = Process::start(&database, &[]).await;
    let sister = Process::start(&database, &[]).await;
    let mut received = Vec::new();
    for process in [&second, &sister] {
        let mut ws = Ws::connect(process.address).await;
        ws.subscribe(&after(&old)).await;
        assert_eq!(ws.event().await["cursor"], missed.as_str());
        received.push(ws);
    }
    // Subscribers receive both servers' writes, in one order.
    let mut written = Vec::new();
    for i in 0..10 {
        for process in [&second, &sister] {
            let text = i.to_string();
            written.push(Client::new(process.address).set_state(stepid, &text).await);
        }
    }
    for ws in &mut received {
        for cursor in &written {
            assert_eq!(ws.event().await["cursor"], cursor.as_str());
        }
    }
}

/// A step with two events: its id and the cursors of both events.
async fn two_events(client: &Client) -> (i64, [String; 2]) {
    let build = client.add_build("b").await;
    let (stepid, old) = client.new_step(build, "s").await;
    let newer = client.set_state(stepid, "newer").await;
    (stepid, [old, newer])
}

/// Two databases with the same number of events are still different databases.
#[tokio::test]
async fn a_cursor_of_another_database_has_expired() {
    let (one, other) = (Server::start().await, Server::start().await);
    let (_, cursors) = two_events(&one.client()).await;
    two_events(&other.client()).await;
    for cursor in &cursors {
        assert_eq!(refused(&other, &after(cursor)).await, "CURSOR_EXPIRED");
    }
}

#[tokio::test]
async fn a_cursor_ahead_of_a_restored_database_has_expired() {
    if !on_sqlite("it is restored from a copy of its file") {
        return;
    }
    let database = Database::fresh().await;
    let backup = Database::fresh_file();
    let process = Process::start(&database, &[]).await;
    let client = Client::new(process.address);
    let (stepid, [_, old]) = two_events(&client).await;
    Sql::open(&database)
        .await
        .run(&format!("VACUUM INTO '{}'", backup.file().display()))
        .await;
    let ahead = client.set_state(stepid, "after the backup").await;
    process.kill().await;

    let restored = Server::over_copy_of(backup.file(), &["--anonymous", "write"]).await;
    assert_eq!(refused(&restored, &after(&ahead)).await, "CURSOR_EXPIRED");
    let mut ws = restored.ws().await;
    ws.subscribe(&after(&old)).await;
    let next = restored.client().set_state(stepid, "next").await;
    assert_eq!(ws.event().await["cursor"], next.as_str());
}
