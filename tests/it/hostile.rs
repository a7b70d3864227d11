//! Documents that nest without end: refused, with the server alive behind them. (Limits on size and cost come later.)

use serde_json::{Value, json};

use crate::support::server::Server;

/// Refused before anything ran.
async fn refused(server: &Server, query: &str) {
    let answer = server.client().execute(query, json!({})).await;
    let shown: String = query.chars().take(60).collect();
    assert!(answer.get("data").is_none(), "{shown}");
    assert!(
        answer["errors"][0]["extensions"]["code"].is_string(),
        "{shown}"
    );
}

#[tokio::test]
async fn endless_nesting_is_refused_and_does_no_harm() {
    let server = Server::start().await;
    for n in [100, 1_000, 10_000] {
        let fragment = |i: usize| format!(" fragment F{i} on Query {{ ...F{} }}", i + 1);
        let chain = (0..n).map(fragment).collect::<Vec<_>>().concat();
        refused(
            &server,
            &format!("{{ ...F0 }}{chain} fragment F{n} on Query {{ __typename }}"),
        )
        .await;
        let nested = |open: &str, inner: &str, close: &str| {
            format!("{}{inner}{}", open.repeat(n), close.repeat(n))
        };
        let levels = nested("{ builder { builds { nodes ", "{ number }", "} } }");
        refused(&server, &format!("{{ builds {{ nodes {levels} }} }}")).await;
        refused(
            &server,
            &format!("{{ {} }}", nested("... { ", "__typename", " }")),
        )
        .await;
        let list = nested("[", "1", "]");
        refused(
            &server,
            &format!("{{ builds(where: {{ number: {{ in: {list} }} }}) {{ totalCount }} }}"),
        )
        .await;
    }
    refused(
        &server,
        "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }",
    )
    .await;
    // A filter that is deep, but not too deep to be read.
    let mut filter = json!({});
    for _ in 0..100 {
        filter = json!({ "not": filter });
    }
    let query = "query($w: BuildFilter) { builds(where: $w) { totalCount } }";
    let (code, _) = server.client().error(query, json!({ "w": filter })).await;
    assert_eq!(code, "BAD_USER_INPUT");
    let alive = server.client().data("{ __typename }", json!({})).await;
    assert_eq!(alive["__typename"], Value::from("Query"));
}
