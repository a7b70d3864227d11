//! What nests without end, far beyond any limit.

use serde_json::json;

use super::{HONEST, nested};
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

/// With the limits of the text far away it is the walk over the document that must not follow without end.
#[tokio::test]
async fn endless_nesting_is_refused_and_does_no_harm() {
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
    for server in [Server::start().await, Server::with(&flags).await] {
        for n in [100, 1_000, 10_000] {
            let fragment = |i: usize| format!(" fragment F{i} on Query {{ ...F{} }}", i + 1);
            let chain = (0..n).map(fragment).collect::<String>();
            let last = format!(" fragment F{n} on Query {{ __typename }}");
            refused(&server, &format!("{{ ...F0 }}{chain}{last}")).await;
            // That nothing spreads.
            refused(&server, &format!("{{ __typename }}{chain}{last}")).await;
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
        server.client().data(HONEST, json!({})).await;
    }
}

/// A fragment that spreads one that is not there has no field at all, and doubles all the same.
#[tokio::test]
async fn fragments_without_fields_count_too() {
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
