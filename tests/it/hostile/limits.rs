//! Each limit at its value and one beyond, by its flag; and what is never to be refused.

use serde_json::{Value, json};

use super::{WAYS, Way, refusal};
use crate::support::server::Server;

#[tokio::test]
async fn at_the_limit_it_is_answered_and_beyond_it_is_not() {
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
            "max-aliases",
            1,
            "{ a: __typename }",
            "{ a: __typename b: __typename }",
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
        let server = Server::with(&flags.each_ref().map(String::as_str)).await;
        server.client().data(at, json!({})).await;
        let answer = server.client().execute(beyond, json!({})).await;
        let extensions = &refusal(&answer)["extensions"];
        assert_eq!(extensions["code"], "LIMIT_EXCEEDED", "{answer:#}");
        assert_eq!(extensions["limit"], flag, "{answer:#}");
        assert_eq!(extensions["max"], max, "{answer:#}");
        assert!(extensions["asked"].as_u64() > Some(max), "{answer:#}");
    }
}

/// What GraphiQL and most tools ask first; deep, and cheap.
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
async fn introspection_is_answered_and_does_not_explode() {
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
async fn the_schema_is_hidden_where_the_operator_says_so() {
    let server = Server::with(&["--no-introspection"]).await;
    for query in [
        INTROSPECTION,
        "{ __type(name: \"Build\") { name } }",
        "{ __typename ...F } fragment F on Query { a: __schema { queryType { name } } }",
        "mutation { __schema { queryType { name } } }",
    ] {
        let answer = server.client().execute(query, json!({})).await;
        let error = &answer["errors"][0];
        assert_eq!(
            error["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED",
            "{answer:#}"
        );
        assert!(answer.get("data").is_none(), "{answer:#}");
    }
    let (_, message) = server
        .client()
        .error("{ __schema { queryType { name } } }", json!({}))
        .await;
    assert!(message.contains("introspection is off"), "{message}");
    // A name is still known to whoever has it.
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
async fn the_page_is_not_there_where_the_operator_says_so() {
    for (flags, status) in [(vec!["--no-graphiql"], 404), (vec![], 200)] {
        let server = Server::with(&flags).await;
        for path in ["/", "/graphiql", "/graphiql/start.js"] {
            let url = format!("http://{}{path}", server.address);
            assert_eq!(reqwest::get(url).await.unwrap().status(), status, "{path}");
        }
    }
}

/// The cost of an answer, asked for on each transport by a header of the request that carries or opens it.
#[tokio::test]
async fn an_answer_says_what_it_cost_where_that_is_asked() {
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
    let answer: Value = serde_json::from_str(&ask("1", "application/json").await).unwrap();
    assert_eq!(answer["extensions"]["cost"], cost);
    assert!(ask("1", "text/event-stream").await.contains("3051"));
    let answer: Value = serde_json::from_str(&ask("0", "application/json").await).unwrap();
    assert!(answer.get("extensions").is_none(), "{answer:#}");
    let request = client.http.get(&client.url).query(&[("query", query)]);
    let request = request
        .header("graphql-cost", "1")
        .header("accept", "application/graphql-response+json");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["extensions"]["cost"], cost);
    for way in WAYS {
        let answer = way.send(&server, &json!({ "query": query })).await;
        assert!(answer.get("extensions").is_none(), "{way:?}: {answer:#}");
    }
    assert_eq!(
        Way::Post.send(&server, &json!({ "query": query })).await["data"]["builds"]["nodes"],
        json!([])
    );
}
