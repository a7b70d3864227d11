//! How many values the JSON of a request may have.

use serde_json::{Value, json};

use super::{TRANSPORTS, Transport, VALID};
use crate::support::server::Server;

fn check_refused(answer: &Value, limit: &str) {
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "LIMIT_EXCEEDED", "{answer:#}");
    assert_eq!(error["extensions"]["limit"], limit, "{answer:#}");
}

#[tokio::test]
async fn too_many_json_values_are_refused_over_every_transport() {
    let server = Server::with_flags(&["--max-json-values", "40"]).await;
    // A stream is refused before it begins.
    for transport in TRANSPORTS.into_iter().filter(|t| *t != Transport::Stream) {
        let empty = vec![json!({}); 50];
        for variables in [json!({ "unknown": empty }), json!({ "w": { "or": empty } })] {
            // The id of a socket's message comes behind its payload too.
            let parameters = json!({ "query": VALID, "variables": variables });
            let answer = transport.send(&server, &parameters).await;
            check_refused(&answer, "max-json-values");
            let message = answer["errors"][0]["message"].as_str().unwrap();
            assert!(message.starts_with("max-json-values is 40"), "{message}");
        }
        let variables = json!({ "unknown": vec![json!({}); 30] });
        let parameters = json!({ "query": VALID, "variables": variables });
        let answer = transport.send(&server, &parameters).await;
        assert!(
            answer["data"]["builds"].is_object(),
            "{transport:?}: {answer:#}"
        );
    }
    // The operations of a batch count together.
    let parameters = json!({ "query": VALID, "variables": { "unknown": vec![1; 10] } });
    let one = Transport::Post.send(&server, &json!([parameters])).await;
    assert!(one[0]["data"]["builds"].is_object(), "{one:#}");
    let batch = json!([parameters, parameters, parameters]);
    check_refused(
        &Transport::Post.send(&server, &batch).await,
        "max-json-values",
    );
}

#[tokio::test]
async fn a_socket_goes_on_after_too_many_values() {
    let server = Server::with_flags(&["--max-json-values", "40"]).await;
    let mut ws = server.ws().await;
    ws.subscribe("").await;
    let payload = json!({ "query": VALID, "variables": { "unknown": vec![1; 100] } });
    ws.send(json!({ "id": "a \"quoted\" id", "type": "subscribe", "payload": payload }))
        .await;
    let message = ws.receive().await;
    assert_eq!(message["type"], "error");
    assert_eq!(message["id"], "a \"quoted\" id");
    check_refused(&json!({ "errors": message["payload"] }), "max-json-values");
    // Only what would start something has an error to be told by.
    ws.send(json!({ "type": "ping", "payload": { "unknown": vec![1; 100] } }))
        .await;
    let (code, reason) = ws.message_or_close().await.unwrap_err();
    assert_eq!(code, 4400);
    assert!(reason.starts_with("max-json-values is 40"), "{reason}");
}

#[tokio::test]
async fn a_value_counts_wherever_it_is_put_in() {
    let server = Server::start().await;
    let client = server.client();
    let text = "x".repeat(90_000);
    let uses = |count: usize, value: &str| -> String {
        let fields = (0..count).map(|n| {
            format!("a{n}: builds(first: 1, where: {{ stateString: {{ contains: {value} }} }}) {{ totalCount }} ")
        });
        fields.collect()
    };
    // A variable, as often as it stands.
    for query in [
        format!("query($t: String) {{ {} }}", uses(50, "$t")),
        format!(
            "query($t: String!) {{ builds(first: 1, where: {{ stateString: {{ in: [{}] }} }}) {{ totalCount }} }}",
            "$t ".repeat(50)
        ),
    ] {
        let answer = client.execute(&query, json!({ "t": text })).await;
        check_refused(&answer, "max-document-bytes");
    }
    // A literal of a fragment, wherever the fragment is.
    let fields = (0..100).map(|n| format!("a{n}: build(buildid: {n}) {{ ...F }} "));
    let query = format!(
        "{{ {} }} fragment F on Build {{ steps(nameOrNumber: \"{text}\") {{ name }} }}",
        fields.collect::<String>()
    );
    check_refused(
        &client.execute(&query, json!({})).await,
        "max-document-bytes",
    );
    // What a client may use often.
    let query = format!("query($t: String) {{ {} }}", uses(50, "$t"));
    let answer = client
        .execute(&query, json!({ "t": "x".repeat(500) }))
        .await;
    assert_eq!(answer["data"]["a49"]["totalCount"], 0, "{answer:#}");
}

#[tokio::test]
async fn a_condition_counts_for_each_row_that_reads_it() {
    let server = Server::start().await;
    let query =
        "query($w: StepFilter) { builds(first: 90) { nodes { steps(where: $w) { name } } } }";
    let client = server.client();
    let variables = json!({ "w": { "and": vec![json!({}); 9_000] } });
    check_refused(&client.execute(query, variables).await, "max-values");
    let variables = json!({ "w": { "stepid": { "in": (1..900).collect::<Vec<_>>() } } });
    let answer = client.execute(query, variables).await;
    assert!(answer["data"]["builds"]["nodes"].is_array(), "{answer:#}");
}
