//! A full disk. `SMALL_DISK` names an empty file system of a few megabytes; `scripts/test` mounts
//! one.

use std::{collections::HashSet, io::Write, path::PathBuf};

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    database_file::ready,
    feed::{after, newest_cursor},
    support::{client::Client, database::Database, process::Process, sql::Sql, wait_until, ws::Ws},
};

#[tokio::test]
async fn a_full_disk_loses_no_acknowledged_write() {
    let Some(disk) = std::env::var_os("SMALL_DISK").map(PathBuf::from) else {
        return;
    };
    let database = Database::at(&disk.join("steps.sqlite"));
    let process = Process::start(&database, &["--busy-seconds", "1"]).await;
    let client = Client::new(process.address);
    let build = client.add_build("b").await;
    let (stepid, _) = client.new_step(build, "s").await;
    let start = newest_cursor(&client).await;
    let mut ws = Ws::connect(process.address).await;
    ws.subscribe(&after(&start)).await;
    let ballast = disk.join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while file.write_all(&[1; 4_096]).is_ok() {}
    drop(file);
    let set = "mutation($s: Int!, $t: String!) { setStepStateString(stepid: $s, stateString: $t) { cursor } }";
    let mut written = Vec::new();
    let mut refused = 0;
    let text = "x".repeat(16_000);
    for i in 0.. {
        let variables = json!({ "s": stepid, "t": format!("{i} {text}") });
        let response = client.execute(set, variables).await;
        match response["errors"].get(0) {
            None => written.push(response["data"]["setStepStateString"]["cursor"].clone()),
            Some(error) => {
                assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{response:#}");
                let message = error["message"].as_str().unwrap();
                assert!(message.contains("the disk is full"), "{message}");
                refused += 1;
            }
        }
        if refused == 3 {
            break;
        }
        assert!(i < 5_000, "the disk does not fill");
    }
    // Reads still work, and writes work again as soon as there is space.
    client.data("{ steps { totalCount } }", json!({})).await;
    let (status, body) = ready(process.address).await;
    assert_eq!((status, &body["database"]), (200, &json!("ok")), "{body}");
    let writable = body["writable"].as_str().unwrap();
    assert!(writable.contains("the disk is full"), "{body}");
    std::fs::remove_file(&ballast).unwrap();
    // Without a write that would show it.
    wait_until(async || ready(process.address).await.1["writable"] == true).await;
    written.push(json!(client.set_state(stepid, "room").await));
    for cursor in &written {
        assert_eq!(ws.event().await["cursor"], *cursor);
    }
    process.kill().await;
    let process = Process::start(&database, &[]).await;
    let mut ws = Ws::connect(process.address).await;
    ws.subscribe(&after(&start)).await;
    for cursor in &written {
        assert_eq!(ws.event().await["cursor"], *cursor);
    }
}

/// Writers that wait for each other, some of which fail on the full disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_many_writers_keeps_what_is_acknowledged_and_nothing_else() {
    let Some(disk) = std::env::var_os("SMALL_DISK").map(PathBuf::from) else {
        return;
    };
    let database = Database::at(&disk.join("many.sqlite"));
    let process = Process::start(&database, &["--busy-seconds", "5"]).await;
    let client = Client::new(process.address);
    let build = client.add_build("b").await;
    let (stepid, _) = client.new_step(build, "s").await;
    let ballast = disk.join("ballast of many");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while file.write_all(&[1; 4_096]).is_ok() {}
    drop(file);
    let text = "x".repeat(4_000);
    let set = "mutation($s: Int!, $t: String!) { setStepStateString(stepid: $s, stateString: $t) { cursor } }";
    let (client, text) = (&client, &text);
    let write = async |writer: usize| {
        let (mut written, mut refused) = (Vec::new(), Vec::new());
        for i in 0..2_000 {
            let state = format!("{writer}/{i}/{text}");
            let response = client
                .execute(set, json!({ "s": stepid, "t": state }))
                .await;
            match response["errors"].get(0) {
                None => written.push(state),
                Some(error) => {
                    assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{response:#}");
                    refused.push(state);
                }
            }
            if refused.len() == 3 {
                break;
            }
        }
        assert_eq!(refused.len(), 3, "the disk does not fill");
        (written, refused)
    };
    let done = join_all((0..16).map(write)).await;
    std::fs::remove_file(&ballast).unwrap();
    process.kill().await;
    let process = Process::start(&database, &[]).await;
    let sql = Sql::open(&database).await;
    let rows = "SELECT json_array(state_string) AS json FROM graphql_events WHERE noun = 4";
    let rows = sql.rows(rows).await;
    let kept: HashSet<&str> = rows.iter().filter_map(|row| row[0].as_str()).collect();
    for (written, refused) in &done {
        assert!(written.iter().all(|state| kept.contains(&**state)));
        assert!(!refused.iter().any(|state| kept.contains(&**state)));
    }
    let count: usize = done.iter().map(|(written, _)| written.len()).sum();
    // And the step's first.
    assert_eq!(rows.len(), count + 1);
    Client::new(process.address).set_state(stepid, "room").await;
}
