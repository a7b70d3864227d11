//! Which documents are subscriptions.

use serde_json::json;

use super::Counted;
use crate::{feed::now, support::server::Server};

#[tokio::test]
async fn a_subscription_has_one_root_field_and_it_is_written_out() {
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
        assert_eq!(ws.ending().await.0, "GRAPHQL_VALIDATION_FAILED", "{query}");
    }
}

#[tokio::test]
async fn aliases_fragments_below_the_root_and_names_of_operations_are_taken() {
    let counted = Counted::start(&[]).await;
    let start = now(&counted.client).await;
    let query = "query Other { eventCursor } \
         subscription Mine($from: EventCursor!) { told: stepEvents(after: $from) { at: cursor ...E } } \
         fragment E on StepEvent { step { stepid } }";
    let mut ws = counted.server.ws().await;
    let payload =
        json!({ "query": query, "operationName": "Mine", "variables": { "from": start } });
    ws.send(json!({ "id": "1", "type": "subscribe", "payload": payload }))
        .await;
    // Replayed, or live: some of each.
    for _ in 0..20 {
        let written = counted.client.set_state(counted.steps[0], "busy").await;
        let message = ws.receive().await;
        let told = json!({ "told": { "at": written, "step": { "stepid": counted.steps[0] } } });
        assert_eq!(message["payload"]["data"], told);
    }
}
