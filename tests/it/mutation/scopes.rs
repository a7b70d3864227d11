//! Who may write, and that a payload's cursor is its event's.

use serde_json::json;

use crate::support::{server::Server, ws::Ws};

const QUERY: &str = "{ builds { totalCount } }";
const WRITE: &str = "mutation { findBuilder(name: \"b\") { builderid } }";

#[tokio::test]
async fn readers_may_not_write() {
    let server = Server::with_flags(&["--anonymous", "read"]).await;
    let client = server.client();
    let (code, message) = client.error(WRITE, json!({})).await;
    assert_eq!(code, "FORBIDDEN");
    assert!(message.contains("write"), "{message}");
    assert_eq!(
        client.data(QUERY, json!({})).await["builds"]["totalCount"],
        0
    );
    assert_eq!(
        server
            .sql()
            .await
            .number("SELECT COUNT(*) AS n FROM builders")
            .await,
        0
    );
    // A reader may run none of these, whatever the arguments.
    for write in [
        "newStep(buildid: 1, name: \"x\") { cursor }",
        "startStep(stepid: 1) { cursor }",
        "setStepLocksAcquiredAt(stepid: 1) { cursor }",
        "setStepStateString(stepid: 1, stateString: \"x\") { cursor }",
        "addStepURL(stepid: 1, name: \"n\", url: \"https://example.org/\") { cursor }",
        "finishStep(stepid: 1, results: SUCCESS) { cursor }",
        "addBuild(builderid: 1) { build { buildid } }",
        "setBuildStateString(buildid: 1, stateString: \"x\") { build { buildid } }",
        "finishBuild(buildid: 1, results: SUCCESS) { build { buildid } }",
    ] {
        assert_eq!(
            client
                .error(&format!("mutation {{ {write} }}"), json!({}))
                .await
                .0,
            "FORBIDDEN",
            "{write}"
        );
    }
}

#[tokio::test]
async fn anonymous_callers_may_read_by_default() {
    let server = Server::with_flags(&[]).await;
    assert_eq!(server.client().error(WRITE, json!({})).await.0, "FORBIDDEN");
    assert_eq!(
        server.client().data(QUERY, json!({})).await["builds"]["totalCount"],
        0
    );
}

#[tokio::test]
async fn anonymous_callers_can_be_refused() {
    let server = Server::with_flags(&["--anonymous", "none"]).await;
    for query in [
        QUERY,
        WRITE,
        "{ __typename }",
        "{ __schema { types { name } } }",
    ] {
        assert_eq!(
            server.client().error(query, json!({})).await.0,
            "UNAUTHENTICATED",
            "{query}"
        );
    }
    let mut ws = Ws::open(server.address, "graphql-transport-ws")
        .await
        .unwrap();
    ws.send(json!({ "type": "connection_init" })).await;
    assert_eq!(ws.close_code().await, Some(4_403));
    assert_eq!(
        server
            .sql()
            .await
            .number("SELECT COUNT(*) AS n FROM builders")
            .await,
        0
    );
}

#[tokio::test]
async fn the_cursor_of_a_payload_is_its_events() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, first) = client.new_step(build, "s").await;
    let mut ws = server.ws().await;
    ws.subscribe(&format!("(after: \"{first}\")")).await;
    let document = "mutation($s: Int!) {
        a: startStep(stepid: $s) { cursor }
        b: setStepLocksAcquiredAt(stepid: $s) { cursor }
        c: setStepStateString(stepid: $s, stateString: \"x\") { cursor }
        d: addStepURL(stepid: $s, name: \"n\", url: \"https://example.org/\") { cursor }
        e: finishStep(stepid: $s, results: SUCCESS) { cursor }
    }";
    let done = client.data(document, json!({ "s": step })).await;
    for (alias, kind) in [
        ("a", "STARTED"),
        ("b", "UPDATED"),
        ("c", "UPDATED"),
        ("d", "UPDATED"),
        ("e", "FINISHED"),
    ] {
        let event = ws.event().await;
        assert_eq!(
            (&event["cursor"], &event["kind"]),
            (&done[alias]["cursor"], &json!(kind))
        );
    }
}
