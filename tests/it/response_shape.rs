//! The shape of a response: fields in the order of the request, and errors that null the right
//! parent.

use serde_json::{Value, json};

use crate::support::server::{Server, WITHOUT_CACHE};

async fn seeded() -> Server {
    // Some tests break the tables afterwards.
    let server =
        Server::with_flags(&[&["--anonymous", "write"], &WITHOUT_CACHE[..]].concat()).await;
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
    assert_eq!(server.client().text(query).await, expected);
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

    // Two errors below one nullable parent, which stays null.
    let query = "{ step(stepid: 2) { a: build { number } b: build { number } name } }";
    let (data, codes) = data_and_codes(&server, query).await;
    assert_eq!(data, json!({ "step": null }));
    assert_eq!(codes, ["NOT_FOUND", "NOT_FOUND"]);
}

#[tokio::test]
async fn a_failed_field_is_null_beside_the_others() {
    let server = seeded().await;
    for (query, data, codes) in [
        (
            "{ builder { name } build(buildid: 1) { number } }",
            json!({ "builder": null, "build": { "number": 1 } }),
            vec!["BAD_USER_INPUT"],
        ),
        (
            "{ builder { name } }",
            json!({ "builder": null }),
            vec!["BAD_USER_INPUT"],
        ),
        (
            "{ a: builder { name } b: node(id: \"?\") { id } }",
            json!({ "a": null, "b": null }),
            vec!["BAD_USER_INPUT"; 2],
        ),
        (
            "mutation { a: addBuild(builderid: 999) { build { number } } }",
            json!({ "a": null }),
            vec!["NOT_FOUND"],
        ),
        (
            "mutation { a: addBuild(builderid: 1) { build { number } }
                b: addBuild(builderid: 999) { build { number } }
                c: addBuild(builderid: 1) { build { number } } }",
            json!({ "a": { "build": { "number": 2 } }, "b": null, "c": { "build": { "number": 3 } } }),
            vec!["NOT_FOUND"],
        ),
        (
            "mutation { newStep(buildid: 98, name: \"x\") { cursor } findBuilder(name: \"\") { name } }",
            json!({ "newStep": null, "findBuilder": null }),
            vec!["NOT_FOUND", "BAD_USER_INPUT"],
        ),
    ] {
        let (given, mut given_codes) = data_and_codes(&server, query).await;
        assert_eq!(given, data, "{query}");
        given_codes.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(given_codes, codes, "{query}");
    }
    // As text, since the failed field has its place in the order too.
    let text = server
        .client()
        .text("{ builder { name } build(buildid: 1) { number } }")
        .await;
    let data = r#"{"data":{"builder":null,"build":{"number":1}},"#;
    assert!(text.starts_with(data), "{text}");
}

#[tokio::test]
async fn failed_fields_of_nested_objects_are_null() {
    let server = seeded().await;
    server.client().add_build("c").await;
    let sql = server.sql().await;
    // A field that fails below a nullable build.
    sql.run("ALTER TABLE steps RENAME TO gone").await;
    for (query, data, failed) in [
        (
            "{ builders { nodes { name build(number: 1) { number steps { name } } } } }",
            json!({ "builders": { "nodes": [{ "name": "b", "build": null }, { "name": "c", "build": null }] } }),
            2,
        ),
        (
            "{ builders { nodes { build(number: 1) { steps { name } } } } }",
            json!({ "builders": { "nodes": [{ "build": null }, { "build": null }] } }),
            2,
        ),
        (
            "{ builder(name: \"c\") { build(number: 1) { steps { name } } } }",
            json!({ "builder": { "build": null } }),
            1,
        ),
        (
            "{ step(stepid: 1) { name } builders { nodes { build(number: 1) { steps { name } } name } } }",
            json!({ "step": null, "builders": { "nodes": [{ "build": null, "name": "b" }, { "build": null, "name": "c" }] } }),
            3,
        ),
        // Two errors in one build, which is nulled once.
        (
            "{ builder(name: \"b\") { build(number: 1) { a: steps { name } b: steps { name } } } }",
            json!({ "builder": { "build": null } }),
            2,
        ),
    ] {
        let (given, codes) = data_and_codes(&server, query).await;
        assert_eq!(given, data, "{query}");
        assert_eq!(codes, vec!["INTERNAL"; failed], "{query}");
    }
    // A nullable field that fails itself, alone in each object of a list.
    sql.run("ALTER TABLE builds RENAME TO lost").await;
    for (query, data, failed) in [
        (
            "{ builders { nodes { build(number: 1) { number } } } }",
            json!({ "builders": { "nodes": [{ "build": null }, { "build": null }] } }),
            2,
        ),
        (
            "{ builders { nodes { a: build(number: 1) { number } name b: build(number: 2) { number } } } builder { name } }",
            json!({ "builders": { "nodes": [{ "a": null, "name": "b", "b": null }, { "a": null, "name": "c", "b": null }] }, "builder": null }),
            5,
        ),
        // A page of builds is non-null, and so is every builder of a list.
        (
            "{ builders { nodes { builds { nodes { number } } } } builder { name } }",
            Value::Null,
            3,
        ),
        (
            "{ builder(name: \"b\") { builds { nodes { number } } build(number: 1) { number } } build(buildid: 1) { number } }",
            json!({ "builder": null, "build": null }),
            3,
        ),
    ] {
        let (given, codes) = data_and_codes(&server, query).await;
        assert_eq!(given, data, "{query}");
        assert_eq!(codes.len(), failed, "{query}: {codes:?}");
    }
}
