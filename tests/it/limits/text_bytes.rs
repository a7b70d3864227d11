//! The texts of an answer: the same long one may be asked for many times, and its bytes count each
//! time.

use serde_json::json;

use crate::support::{client::Client, server::Server, wait_until};

/// A server with one step, whose state has 1,000 bytes.
async fn with_long_text(flags: &[&str]) -> (Server, Client) {
    let all = [&["--anonymous", "write"], flags].concat();
    let server = Server::with_flags(&all).await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "s").await;
    set_state(&server, 1_000).await;
    (server, client)
}

async fn set_state(server: &Server, bytes: usize) {
    let state = "x".repeat(bytes);
    let set = format!("UPDATE steps SET state_string = '{state}'");
    server.sql().await.run(&set).await;
}

/// A step with its state so many times.
fn times(count: usize) -> String {
    let fields = (0..count).map(|n| format!("a{n}: stateString "));
    format!(
        "{{ step(stepid: 1) {{ name {} }} }}",
        fields.collect::<String>()
    )
}

#[tokio::test]
async fn the_texts_of_an_answer_are_bounded_together() {
    let (server, client) = with_long_text(&["--max-text-bytes", "10000"]).await;
    let answer = client.data(&times(10), json!({})).await;
    assert_eq!(answer["step"]["a9"].as_str().unwrap().len(), 1_000);
    let answer = client.execute(&times(11), json!({})).await;
    assert_eq!(answer["data"]["step"], json!(null));
    let error = &answer["errors"][0];
    assert_eq!(error["path"], json!(["step", "a10"]), "{answer:#}");
    assert_eq!(error["extensions"]["code"], "LIMIT_EXCEEDED");
    assert_eq!(error["extensions"]["limit"], "max-text-bytes");
    assert_eq!(error["extensions"]["max"], 10_000);
    // Short ones count as fields alone.
    set_state(&server, 64).await;
    client.data(&times(200), json!({})).await;
    set_state(&server, 65).await;
    client.data(&times(153), json!({})).await;
    assert_eq!(
        client.error(&times(154), json!({})).await.0,
        "LIMIT_EXCEEDED"
    );
}

#[tokio::test]
async fn every_text_counts() {
    let (server, client) = with_long_text(&["--max-text-bytes", "900"]).await;
    let sql = server.sql().await;
    let text = "y".repeat(1_000);
    for set in [
        format!("UPDATE builds SET state_string = '{text}'"),
        format!("UPDATE builders SET name = '{text}', description = '{text}'"),
        format!("UPDATE steps SET urls_json = '[{{\"name\":\"n\",\"url\":\"{text}\"}}]'"),
    ] {
        sql.run(&set).await;
    }
    for query in [
        "{ step(stepid: 1) { stateString } }",
        "{ step(stepid: 1) { urls { url } } }",
        "{ build(buildid: 1) { stateString } }",
        "{ builder(builderid: 1) { description } }",
        "{ builders(orderBy: { field: NAME }) { edges { cursor } } }",
        "{ builders(orderBy: { field: NAME }) { pageInfo { endCursor } } }",
    ] {
        let answer = client.execute(query, json!({})).await;
        let message = answer["errors"][0]["message"].as_str();
        let is_refused = message.is_some_and(|text| text.starts_with("max-text-bytes is 900"));
        assert!(is_refused, "{query}: {answer:#}");
    }
}

#[tokio::test]
async fn each_event_has_all_the_bytes_and_gives_them_back() {
    let (server, client) = with_long_text(&["--max-text-bytes", "1500"]).await;
    let mut ws = server.ws().await;
    ws.subscribe("(snapshot: true)").await;
    assert_eq!(ws.event().await["kind"], "SNAPSHOT");
    for state in ["a", "b", "c"] {
        client.set_state(1, &state.repeat(1_000)).await;
        let event = ws.event().await;
        assert_eq!(event["step"]["stateString"].as_str().unwrap().len(), 1_000);
    }
    drop(ws);
    wait_until(async || server.handle.memory_held() == 0).await;
}

#[tokio::test]
async fn texts_count_in_the_servers_memory() {
    let flags = [
        "--max-memory-bytes",
        "200000",
        "--max-memory-bytes-per-caller",
        "0",
    ];
    let (server, client) = with_long_text(&flags).await;
    client.data(&times(100), json!({})).await;
    let answer = client.execute(&times(250), json!({})).await;
    assert_eq!(answer["data"]["step"], json!(null));
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{answer:#}");
    assert!(
        error["message"].as_str().unwrap().contains("no memory"),
        "{answer:#}"
    );
    wait_until(async || server.handle.memory_held() == 0).await;
    client.data(&times(100), json!({})).await;
}

#[tokio::test]
async fn an_answer_tells_what_failed_and_not_each_time() {
    let (_server, client) = with_long_text(&["--max-text-bytes", "10000"]).await;
    let answer = client.execute(&times(600), json!({})).await;
    assert_eq!(answer["data"]["step"], json!(null));
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{answer:#}");
    assert_eq!(errors[0]["path"], json!(["step", "a10"]));
    assert_eq!(errors[1]["message"], "589 more fields failed");
    assert_eq!(errors[1]["extensions"]["code"], "LIMIT_EXCEEDED");
    assert!(errors[1].get("path").is_none(), "{answer:#}");
}
