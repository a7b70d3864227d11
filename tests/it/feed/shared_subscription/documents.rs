//! Which documents are valid subscriptions.

use serde_json::json;

use super::CountingServer;
use crate::{feed::newest_cursor, support::server::Server};

#[tokio::test]
async fn a_subscription_has_one_literal_root_field() {
    let server = Server::start().await;
    for selection in [
        "{ ...F } fragment F on Subscription { stepEvents { cursor } }",
        "{ ... on Subscription { stepEvents { cursor } } }",
        "{ stepEvents { cursor } again: stepEvents { cursor } }",
        "{ stepEvents { cursor } stepEvents { kind } }",
        "{ __typename }",
        "{ stepEvents @skip(if: true) { cursor } }",
        "{ stepEvents @include(if: true) { cursor } }",
    ] {
        let query = format!("subscription {selection}");
        let (code, message) = server.client().error(&query, json!({})).await;
        assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{query}");
        assert!(message.contains("subscription"), "{query}: {message}");
        let mut ws = server.ws().await;
        ws.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } }))
            .await;
        assert_eq!(
            ws.stream_error().await.0,
            "GRAPHQL_VALIDATION_FAILED",
            "{query}"
        );
    }
}

#[tokio::test]
async fn aliases_nested_fragments_and_operation_names_are_accepted() {
    let counting = CountingServer::start(&[]).await;
    let start = newest_cursor(&counting.client).await;
    let query = "query Other { eventCursor } \
         subscription Mine($from: EventCursor!) { told: stepEvents(after: $from) { at: cursor ...E } } \
         fragment E on StepEvent { step { stepid } }";
    let mut ws = counting.server.ws().await;
    let payload =
        json!({ "query": query, "operationName": "Mine", "variables": { "from": start } });
    ws.send(json!({ "id": "1", "type": "subscribe", "payload": payload }))
        .await;
    // Backfilled or live: some of each.
    for _ in 0..20 {
        let written = counting.client.set_state(counting.steps[0], "busy").await;
        let message = ws.receive().await;
        let expected =
            json!({ "told": { "at": written, "step": { "stepid": counting.steps[0] } } });
        assert_eq!(message["payload"]["data"], expected);
    }
}
