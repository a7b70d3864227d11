//! Endless nesting, far beyond any limit.

use serde_json::json;

use super::{VALID, nested};
use crate::support::server::Server;

/// Checks that a document is refused before anything runs.
async fn refused(server: &Server, query: &str) {
    let response = server.client().execute(query, json!({})).await;
    let shown: String = query.chars().take(60).collect();
    assert!(response.get("data").is_none(), "{shown}");
    assert!(
        response["errors"][0]["extensions"]["code"].is_string(),
        "{shown}"
    );
}

/// With the lexical limits out of reach, the walk over the document must bound its own recursion.
#[tokio::test]
async fn endless_nesting_is_refused_without_harm() {
    let far = "100000000";
    let flags = [
        "--anonymous",
        "write",
        "--max-document-bytes",
        far,
        "--max-tokens",
        far,
        "--max-fields",
        far,
    ];
    for server in [Server::start().await, Server::with_flags(&flags).await] {
        for n in [100, 1_000, 10_000] {
            let fragment = |i: usize| format!(" fragment F{i} on Query {{ ...F{} }}", i + 1);
            let chain = (0..n).map(fragment).collect::<String>();
            let end = format!(" fragment F{n} on Query {{ __typename }}");
            refused(&server, &format!("{{ ...F0 }}{chain}{end}")).await;
            // A chain of fragments that nothing spreads.
            refused(&server, &format!("{{ __typename }}{chain}{end}")).await;
            let levels = nested(n, "{ builder { builds { nodes ", "{ number }", "} } }");
            refused(&server, &format!("{{ builds {{ nodes {levels} }} }}")).await;
            let inline = nested(n, "... { ", "__typename", " }");
            refused(&server, &format!("{{ {inline} }}")).await;
            let list = nested(n, "[", "1", "]");
            let query =
                format!("{{ builds(where: {{ number: {{ in: {list} }} }}) {{ totalCount }} }}");
            refused(&server, &query).await;
            let ty = nested(n, "[", "Int", "]");
            refused(&server, &format!("query($a: {ty}) {{ __typename }}")).await;
        }
        server.client().data(VALID, json!({})).await;
    }
}

/// A fragment that spreads a missing fragment has no field, and doubles all the same.
#[tokio::test]
async fn fragments_without_fields_count_towards_limits() {
    let server = Server::start().await;
    let fragment = |i: usize| {
        let next = i + 1;
        format!(" fragment F{i} on Query {{ ...F{next} ...F{next} }}")
    };
    let fragments = (0..25).map(fragment).collect::<String>();
    let query = format!("{{ ...F0 }}{fragments}");
    let (code, message) = server.client().error(&query, json!({})).await;
    assert_eq!(code, "LIMIT_EXCEEDED");
    assert!(message.starts_with("max-fields is 2000"), "{message}");
}
