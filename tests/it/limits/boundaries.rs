//! Each limit at its value and one above, set by its flag; and queries that must never be refused.

use serde_json::{Value, json};

use super::{TRANSPORTS, Transport, refusal};
use crate::support::server::Server;

#[tokio::test]
async fn a_document_at_a_limit_is_accepted_and_one_above_refused() {
    for (flag, max, at, beyond) in [
        (
            "max-document-bytes",
            14,
            "{ __typename }",
            "{ __typename  }",
        ),
        (
            "max-tokens",
            3,
            "{ __typename }",
            "{ __typename __typename }",
        ),
        (
            "max-nesting",
            2,
            "{ builds { totalCount } }",
            "{ builds(first: 1) { nodes { id } } }",
        ),
        (
            "max-nesting",
            3,
            "{ ...A } fragment A on Query { ...B } fragment B on Query { __typename }",
            "{ ...A } fragment A on Query { ...B } fragment B on Query { ... { __typename } }",
        ),
        (
            "max-depth",
            2,
            "{ builds { totalCount } }",
            "{ builds { nodes { id } } }",
        ),
        (
            "max-depth",
            2,
            "{ ...A } fragment A on Query { builds { totalCount } }",
            "{ builds { ...A } } fragment A on BuildConnection { nodes { id } }",
        ),
        (
            "max-directives",
            1,
            "{ __typename @skip(if: false) }",
            "query @skip(if: false) { __typename @skip(if: false) }",
        ),
        (
            "max-fields",
            2,
            "{ builds { totalCount } }",
            "{ builds { totalCount totalCount } }",
        ),
        (
            "max-fields",
            5,
            "{ ...A ...A __typename } fragment A on Query { __typename }",
            "{ ...A ...A __typename __typename } fragment A on Query { __typename }",
        ),
        (
            "max-cost",
            4,
            "{ builds(first: 3) { nodes { id } } }",
            "{ builds(first: 4) { nodes { id } } }",
        ),
        (
            "max-values",
            7,
            "{ builds(first: 3) { nodes { id } } }",
            "{ builds(first: 4) { nodes { id } } }",
        ),
    ] {
        let flags = [format!("--{flag}"), max.to_string()];
        let server = Server::with_flags(&flags.each_ref().map(String::as_str)).await;
        server.client().data(at, json!({})).await;
        let response = server.client().execute(beyond, json!({})).await;
        let extensions = &refusal(&response)["extensions"];
        assert_eq!(extensions["code"], "LIMIT_EXCEEDED", "{response:#}");
        assert_eq!(extensions["limit"], flag, "{response:#}");
        assert_eq!(extensions["max"], max, "{response:#}");
        assert!(extensions["asked"].as_u64() > Some(max), "{response:#}");
    }
}

/// The introspection query of IDEs and most tools: deep, and cheap.
const INTROSPECTION: &str = "
query IntrospectionQuery {
  __schema {
    description
    queryType { name kind } mutationType { name kind } subscriptionType { name kind }
    types { ...FullType }
    directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } }
  }
}
fragment FullType on __Type {
  kind name description specifiedByURL isOneOf
  fields(includeDeprecated: true) {
    name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason
  }
  inputFields(includeDeprecated: true) { ...InputValue }
  interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
  possibleTypes { ...TypeRef }
}
fragment InputValue on __InputValue {
  name description type { ...TypeRef } defaultValue isDeprecated deprecationReason
}
fragment TypeRef on __Type {
  kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
  ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } }
}";

#[tokio::test]
async fn introspection_is_accepted_and_bounded() {
    let server = Server::start().await;
    let client = server.client();
    let shown = client.data(INTROSPECTION, json!({})).await;
    assert!(shown["__schema"]["types"].as_array().unwrap().len() > 30);
    let deeper = |levels: usize| {
        let (open, close) = ("fields { type { ofType { ", " } } }");
        format!(
            "{{ __schema {{ types {{ {}name{} }} }} }}",
            open.repeat(levels),
            close.repeat(levels)
        )
    };
    client.data(&deeper(1), json!({})).await;
    let (code, message) = client.error(&deeper(10), json!({})).await;
    assert_eq!(code, "LIMIT_EXCEEDED");
    assert!(message.starts_with("max-cost is 20000"), "{message}");
}

#[tokio::test]
async fn a_flag_disables_introspection() {
    let server = Server::with_flags(&["--no-introspection"]).await;
    for query in [
        INTROSPECTION,
        "{ __type(name: \"Build\") { name } }",
        "{ __typename ...F } fragment F on Query { a: __schema { queryType { name } } }",
        "mutation { __schema { queryType { name } } }",
    ] {
        let response = server.client().execute(query, json!({})).await;
        let error = &response["errors"][0];
        assert_eq!(
            error["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED",
            "{response:#}"
        );
        assert!(response.get("data").is_none(), "{response:#}");
    }
    let (_, message) = server
        .client()
        .error("{ __schema { queryType { name } } }", json!({}))
        .await;
    assert!(message.contains("introspection is off"), "{message}");
    // `__typename` needs no introspection.
    let data = server.client().data("{ __typename }", json!({})).await;
    assert_eq!(data["__typename"], "Query");
    let wrong = "{ buildr { id } }";
    let (_, message) = server.client().error(wrong, json!({})).await;
    assert!(!message.contains("Did you mean"), "{message}");
    let open = Server::start().await;
    let (_, message) = open.client().error(wrong, json!({})).await;
    assert!(message.contains("Did you mean"), "{message}");
}

#[tokio::test]
async fn a_flag_disables_graphiql() {
    for (flags, status) in [(vec!["--no-graphiql"], 404), (vec![], 200)] {
        let server = Server::with_flags(&flags).await;
        for path in ["/graphiql", "/graphiql/start.js"] {
            let url = format!("http://{}{path}", server.address);
            assert_eq!(reqwest::get(url).await.unwrap().status(), status, "{path}");
        }
    }
}

/// A request header asks for the cost: on the request itself, or on the one that opens the socket
/// or stream.
#[tokio::test]
async fn a_response_reports_its_cost_on_request() {
    let server = Server::start().await;
    let client = server.client();
    let query = "{ builds { nodes { steps { urls { url } } } } }";
    let ask = |wish: &'static str, accept: &'static str| {
        let (client, body) = (client.clone(), json!({ "query": query }));
        async move {
            let request = client.http.post(&client.url).json(&body);
            let request = request
                .header("graphql-cost", wish)
                .header("accept", accept);
            request.send().await.unwrap().text().await.unwrap()
        }
    };
    let cost = json!({ "objects": 3_051, "max": 20_000 });
    let response: Value = serde_json::from_str(&ask("1", "application/json").await).unwrap();
    assert_eq!(response["extensions"]["cost"], cost);
    assert!(ask("1", "text/event-stream").await.contains("3051"));
    let response: Value = serde_json::from_str(&ask("0", "application/json").await).unwrap();
    assert!(response.get("extensions").is_none(), "{response:#}");
    let request = client.http.get(&client.url).query(&[("query", query)]);
    let request = request
        .header("graphql-cost", "1")
        .header("accept", "application/graphql-response+json");
    let response: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(response["extensions"]["cost"], cost);
    for transport in TRANSPORTS {
        let response = transport.send(&server, &json!({ "query": query })).await;
        assert!(
            response.get("extensions").is_none(),
            "{transport:?}: {response:#}"
        );
    }
    assert_eq!(
        Transport::Post
            .send(&server, &json!({ "query": query }))
            .await["data"]["builds"]["nodes"],
        json!([])
    );
}
