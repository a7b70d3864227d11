//! The shape of a response: fields in the order of the request, and errors that null the right
//! parent.

use serde_json::{Value, json};

use crate::support::server::Server;

/// The response's data as text, with its keys in the order in which they were sent.
async fn text(server: &Server, query: &str) -> String {
    let client = server.client();
    let body = json!({ "query": query });
    let response = client
        .http
        .post(&client.url)
        .json(&body)
        .send()
        .await
        .unwrap();
    response.text().await.unwrap()
}

async fn seeded() -> Server {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "one").await;
    client.new_step(build, "two").await;
    server
}

#[tokio::test]
async fn fields_keep_the_order_of_the_request() {
    let server = seeded().await;
    // Loaded fields resolve later than plain ones. The order must not depend on that.
    let query = "fragment F on Build { number steps { build { number buildid } name stepid } }
        { z: builds { nodes { builder { name builderid } ...F buildid } } __typename build(buildid: 1) { builder { name } ...F number } }";
    let expected = concat!(
        r#"{"data":{"z":{"nodes":[{"builder":{"name":"b","builderid":1},"number":1,"#,
        r#""steps":[{"build":{"number":1,"buildid":1},"name":"one","stepid":1},"#,
        r#"{"build":{"number":1,"buildid":1},"name":"two","stepid":2}],"buildid":1}]},"#,
        r#""__typename":"Query","build":{"builder":{"name":"b"},"number":1,"#,
        r#""steps":[{"build":{"number":1,"buildid":1},"name":"one","stepid":1},"#,
        r#"{"build":{"number":1,"buildid":1},"name":"two","stepid":2}]}}}"#,
    );
    assert_eq!(text(&server, query).await, expected);
}

async fn data_and_codes(server: &Server, query: &str) -> (Value, Vec<String>) {
    let mut response = server.client().execute(query, json!({})).await;
    let errors = response["errors"].as_array().cloned().unwrap_or_default();
    let code = |e: &Value| e["extensions"]["code"].as_str().unwrap().to_owned();
    (response["data"].take(), errors.iter().map(code).collect())
}

#[tokio::test]
async fn an_error_nulls_its_nearest_nullable_parent() {
    let server = seeded().await;
    // A step without a build, which Buildbot's SQLite allows.
    let sql = server.sql().await;
    sql.disable_foreign_keys().await;
    sql.run("UPDATE steps SET buildid = 99 WHERE id = 2").await;
    let missing = || vec!["NOT_FOUND".to_owned()];

    // `build` is non-null and `step` is nullable.
    let query = "{ good: step(stepid: 1) { build { number } } bad: step(stepid: 2) { name b: build { number } } }";
    let (data, codes) = data_and_codes(&server, query).await;
    assert_eq!(
        data,
        json!({ "good": { "build": { "number": 1 } }, "bad": null })
    );
    assert_eq!(codes, missing());

    // The same through an interface, with the type in a fragment.
    let id = server
        .client()
        .data("{ step(stepid: 2) { id } }", json!({}))
        .await;
    let id = id["step"]["id"].as_str().unwrap();
    let query =
        format!("{{ node(id: \"{id}\") {{ id ... on Step {{ name build {{ number }} }} }} }}");
    let (data, codes) = data_and_codes(&server, &query).await;
    assert_eq!(data, json!({ "node": null }));
    assert_eq!(codes, missing());

    // Every parent up to the root is non-null.
    let (data, codes) = data_and_codes(
        &server,
        "{ steps { nodes { build { number } } } step(stepid: 1) { name } }",
    )
    .await;
    assert_eq!(data, Value::Null);
    assert_eq!(codes, missing());

    // A failed mutation leaves no partial data beside its error.
    let query = "mutation { addBuild(builderid: 1) { build { number } } newStep(buildid: 98, name: \"x\") { cursor } }";
    let (data, codes) = data_and_codes(&server, query).await;
    assert_eq!(data, Value::Null);
    assert_eq!(codes, missing());
}

#[tokio::test]
async fn an_error_in_a_nullable_field_leaves_its_siblings() {
    let server = seeded().await;
    let query = "{ builder { name } build(buildid: 1) { number } }";
    let (data, codes) = data_and_codes(&server, query).await;
    assert_eq!(data, json!({ "builder": null, "build": { "number": 1 } }));
    assert_eq!(codes, ["BAD_USER_INPUT"]);
}
