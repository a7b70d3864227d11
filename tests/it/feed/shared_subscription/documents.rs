//! Which documents are valid subscriptions.

use serde_json::json;

use super::CountingServer;
use crate::{feed::newest_cursor, support::server::Server};

#[tokio::test]
async fn a_subscription_has_one_root_field_without_a_condition() {
    let server = Server::start().await;
    for selection in [
        "{ ...F again: stepEvents { cursor } } fragment F on Subscription { stepEvents { cursor } }",
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

#[tokio::test]
async fn the_same_operation_in_other_words_shares_its_execution() {
    let counting = CountingServer::start(&[]).await;
    let of = counting.builds[0];
    let other_words = "subscription Other($w: StepEventFilter, $no: Boolean!, $from: EventCursor!) { ...Root }
        fragment Root on Subscription { stepEvents(where: $w, after: $from) { cursor kind id: kind @include(if: $no) ...Event } }
        fragment Event on StepEvent { step { stepid } step { name stateString ... { build { number } } } }";
    let start = newest_cursor(&counting.client).await;
    let first = json!({ "of": of, "after": start });
    let mut all = vec![counting.subscriber("1", first).await];
    let mut ws = counting.server.ws().await;
    let variables = json!({ "w": { "buildid": of }, "no": false, "from": start });
    let payload = json!({ "query": other_words, "variables": variables });
    ws.send(json!({ "id": "2", "type": "subscribe", "payload": payload }))
        .await;
    all.push(ws);
    counting.settle(0, &mut all, 1).await;
    counting.wait_for_shared(1).await;
    // Another build is another subscription.
    let other = json!({ "of": counting.builds[1] });
    all.push(counting.subscriber("1", other).await);
    counting.wait_for_shared(2).await;
}
