//! A full disk. `SMALL_DISK` names an empty file system of a few megabytes; `scripts/test` mounts
//! one.

use std::{io::Write, path::PathBuf};

use serde_json::json;

use crate::{
    database_file::ready,
    feed::{after, newest_cursor},
    support::{database::Database, process::Process, wait_until, ws::Ws},
};

#[tokio::test]
async fn a_full_disk_loses_no_acknowledged_write() {
    let Some(disk) = std::env::var_os("SMALL_DISK").map(PathBuf::from) else {
        return;
    };
    let database = Database::at(&disk.join("steps.sqlite"));
    let process = Process::start(&database, &["--busy-seconds", "1"]).await;
    let client = crate::support::client::Client::new(process.address);
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
