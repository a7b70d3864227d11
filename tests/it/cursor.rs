//! Cursors: what is one, and how long and where it is good.

use serde_json::json;
use tempfile::TempDir;

use crate::{
    feed::{after, now, position},
    support::{client::Client, process::Process, server::Server, sql::Sql, ws::Ws},
};

/// The code that a subscription with these arguments ends with at once.
async fn refused(server: &Server, arguments: &str) -> String {
    let mut ws = server.ws().await;
    ws.subscribe(arguments).await;
    ws.ending().await.0
}

#[tokio::test]
async fn what_is_no_cursor_is_refused() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (stepid, cursor) = client.new_step(build, "s").await;
    let (epoch, place) = cursor.split_at(cursor.len() - 16);
    let garbage = [
        String::new(),
        "x".into(),
        "0".into(),
        place.into(),
        format!("{epoch}{}", &place[1..]),
        format!("{cursor}0"),
        format!(" {cursor}"),
        format!("{epoch}{}g", &place[1..]),
        // What a lax reader takes for a number.
        format!("{epoch}+{}", &place[1..]),
        format!("{epoch}-{}", &place[1..]),
        format!("zzzzzzzz{place}"),
        "ü".repeat(12),
        "ä".repeat(24),
    ];
    let mut let_in = Vec::new();
    for text in garbage {
        let mut ws = server.ws().await;
        ws.subscribe(&after(&text)).await;
        // Whoever is let in hears this.
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
    let ahead = format!("{epoch}{:016x}", position(&json!(now(&client).await)) + 1);
    assert_eq!(refused(&server, &after(&ahead)).await, "CURSOR_EXPIRED");
}

#[tokio::test]
async fn cursors_survive_a_restart_and_are_good_on_every_server_of_the_file() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("steps.sqlite");
    let first = Process::start(&file, &[]).await;
    let client = Client::new(first.address);
    let build = client.add_build("b").await;
    let (stepid, old) = client.new_step(build, "s").await;
    let missed = client.set_state(stepid, "missed").await;
    first.kill().await;

    let second = Process::start(&file, &[]).await;
    let sister = Process::start(&file, &[]).await;
    let mut heard = Vec::new();
    for process in [&second, &sister] {
        let mut ws = Ws::connect(process.address).await;
        ws.subscribe(&after(&old)).await;
        assert_eq!(ws.event().await["cursor"], missed.as_str());
        heard.push(ws);
    }
    // Whichever of them writes, both are heard, in one order.
    let mut written = Vec::new();
    for i in 0..10 {
        for process in [&second, &sister] {
            let text = i.to_string();
            written.push(Client::new(process.address).set_state(stepid, &text).await);
        }
    }
    for ws in &mut heard {
        for cursor in &written {
            assert_eq!(ws.event().await["cursor"], cursor.as_str());
        }
    }
}

#[tokio::test]
async fn a_cursor_of_another_database_has_expired() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("steps.sqlite");
    let backup = dir.path().join("backup.sqlite");
    let process = Process::start(&file, &[]).await;
    let client = Client::new(process.address);
    let build = client.add_build("b").await;
    let (stepid, old) = client.new_step(build, "s").await;
    Sql::open(&file)
        .await
        .run(&format!("VACUUM INTO '{}'", backup.display()))
        .await;
    let ahead = client.set_state(stepid, "after the backup").await;
    process.kill().await;

    // Restored from a backup, the feed has not come as far as the cursor.
    let restored = Server::over(&backup, &["--anonymous", "write"]).await;
    assert_eq!(refused(&restored, &after(&ahead)).await, "CURSOR_EXPIRED");
    let mut ws = restored.ws().await;
    ws.subscribe(&after(&old)).await;
    let next = restored.client().set_state(stepid, "next").await;
    assert_eq!(ws.event().await["cursor"], next.as_str());

    // Made anew under the same name, with as many events, it is another feed.
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let anew = Process::start(&file, &[]).await;
    let client = Client::new(anew.address);
    let build = client.add_build("b").await;
    let (stepid, _) = client.new_step(build, "s").await;
    client.set_state(stepid, "again").await;
    for cursor in [&old, &ahead] {
        let mut ws = Ws::connect(anew.address).await;
        ws.subscribe(&after(cursor)).await;
        assert_eq!(ws.ending().await.0, "CURSOR_EXPIRED");
    }
}
