//! Selections of plain fields, which are written at once: the same as when the library resolves
//! them, which it does where a field is among them that takes more than the row.

use serde_json::{Value, json};

use crate::support::{client::Client, server::Server};

/// What is selected of each noun, and the field that takes more.
const NOUNS: [(&str, &str, &str); 3] = [
    (
        "builders",
        "__typename id builderid name description descriptionFormat descriptionHtml projectid",
        "more: tags",
    ),
    (
        "builds",
        "id buildid number builderid buildrequestid workerid masterid startedAt complete \
         completeAt durationS locksDurationS stateString results again: number",
        "more: builder { builderid }",
    ),
    (
        "steps",
        "id stepid buildid number name startedAt locksAcquiredAt complete completeAt results \
         stateString urls { name url } links: urls { __typename url } hidden durationS lockWaitS",
        "more: build { buildid }",
    ),
];

/// Rows of every noun, complete and not, with odd values, and texts that JSON escapes.
async fn seeded() -> Server {
    let server = Server::start().await;
    let client = server.client();
    for name in ["b", "c"] {
        let build = client.add_build(name).await;
        for name in ["one", "two", "three"] {
            client.new_step(build, name).await;
        }
    }
    let url = "mutation { addStepURL(stepid: 1, name: \"a \\\"b\\\" \\\\ \u{1f600}\", \
               url: \"http://example.org/?a=1&b=<c>\") { cursor } }";
    client.data(url, json!({})).await;
    let sql = server.sql().await;
    for change in [
        "UPDATE steps SET started_at = 100, complete_at = 90, results = 2, hidden = 1 WHERE id = 1",
        "UPDATE steps SET started_at = 100, complete_at = 170, locks_acquired_at = 130, \
         results = 99, state_string = 'a \"quoted\" text' WHERE id = 2",
        "UPDATE steps SET urls_json = 'no list', complete_at = 50 WHERE id = 3",
        "UPDATE builds SET complete_at = 200, started_at = 150, results = 0, locks_duration_s = 7 \
         WHERE id = 1",
        "UPDATE builders SET description = '<b>' WHERE id = 2",
    ] {
        sql.run(change).await;
    }
    server
}

/// What a query gives at a pointer, without what takes more.
async fn given(client: &Client, query: &str, at: &str) -> String {
    let mut data = client.data(query, json!({})).await;
    let data = data
        .pointer_mut(at)
        .unwrap_or_else(|| panic!("{at}: {query}"));
    take_more(data);
    data.to_string()
}

/// Takes out the fields that take more.
fn take_more(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(take_more),
        Value::Object(fields) => {
            fields.remove("more");
            fields.values_mut().for_each(take_more);
        }
        _ => {}
    }
}

#[tokio::test]
async fn lists_are_the_same_both_ways() {
    let server = seeded().await;
    let client = server.client();
    for (list, fields, more) in NOUNS {
        for (page, at) in [
            (format!("nodes {{ {fields} $ }}"), "nodes"),
            (format!("edges {{ cursor node {{ {fields} $ }} }}"), "edges"),
            (
                format!(
                    "edges {{ node {{ {fields} $ }} }} totalCount __typename nodes {{ {fields} }} \
                     pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}"
                ),
                "",
            ),
        ] {
            let query =
                |more: &str| format!("{{ {list}(first: 2) {{ {} }} }}", page.replace('$', more));
            let at = format!("/{list}/{at}");
            let at = at.trim_end_matches('/');
            let plain = given(&client, &query(""), at).await;
            assert_eq!(plain, given(&client, &query(more), at).await, "{list} {at}");
            assert!(plain.len() > 100, "{plain}");
        }
    }
}

#[tokio::test]
async fn objects_are_the_same_both_ways() {
    let server = seeded().await;
    let client = server.client();
    let [(_, builder, tags), (_, build, builders), (_, step, builds)] = NOUNS;
    for (query, fields, more, at) in [
        ("builder(builderid: 2) { $ }", builder, tags, "/builder"),
        ("build(buildid: 1) { $ }", build, builders, "/build"),
        ("step(stepid: 2) { $ }", step, builds, "/step"),
        (
            "step(stepid: 2) { build { $ } }",
            build,
            builders,
            "/step/build",
        ),
        (
            "build(buildid: 1) { steps { $ } }",
            step,
            builds,
            "/build/steps",
        ),
        (
            "build(buildid: 2) { currentStep { $ } }",
            step,
            builds,
            "/build/currentStep",
        ),
        (
            "build(buildid: 1) { builder { $ } }",
            builder,
            tags,
            "/build/builder",
        ),
        (
            "builder(name: \"b\") { build(number: 1) { $ } }",
            build,
            builders,
            "/builder/build",
        ),
    ] {
        let query =
            |more: &str| format!("{{ {} }}", query.replace('$', &format!("{fields} {more}")));
        let plain = given(&client, &query(""), at).await;
        assert_eq!(plain, given(&client, &query(more), at).await, "{at}");
        assert!(plain.len() > 100, "{plain}");
    }
}

#[tokio::test]
async fn what_is_skipped_or_merged_is_written_as_selected() {
    let server = seeded().await;
    let query = "query($no: Boolean = false) {
        step(stepid: 1) { ...A ... on Step { name number } }
        empty: build(buildid: 1) { steps(limit: 1) { name @include(if: $no) } }
        none: build(buildid: 99) { number } list: build(buildid: 1) { steps(limit: 0) { name } } }
        fragment A on Step { urls { url } number urls { name } }";
    let text = server.client().text(query).await;
    let step = r#"{"urls":[{"url":"http://example.org/?a=1&b=<c>","name":"a \"b\" \\ 😀"}],"number":0,"name":"one"}"#;
    let others = r#""empty":{"steps":[{}]},"none":null,"list":{"steps":[]}"#;
    assert_eq!(text, format!(r#"{{"data":{{"step":{step},{others}}}}}"#));
}

#[tokio::test]
async fn texts_too_long_are_refused_where_they_stand() {
    let server = Server::with_flags(&["--anonymous", "write", "--max-text-bytes", "3000"]).await;
    let client = server.client();
    let build = client.add_build("b").await;
    for name in ["one", "two"] {
        client.new_step(build, name).await;
    }
    let sql = server.sql().await;
    let text = "x".repeat(1_000);
    sql.run(&format!("UPDATE steps SET state_string = '{text}'"))
        .await;
    let fits = client
        .data("{ steps { nodes { stateString } } }", json!({}))
        .await;
    assert_eq!(fits["steps"]["nodes"][1]["stateString"], json!(text));
    // The list before it is still answered.
    let query = "{ one: build(buildid: 1) { steps { stateString } } two: step(stepid: 1) { name stateString } three: step(stepid: 2) { stateString } }";
    let response = client.execute(query, json!({})).await;
    let errors = response["errors"].as_array().unwrap();
    assert_eq!(
        errors[0]["extensions"]["code"], "LIMIT_EXCEEDED",
        "{response}"
    );
    let message = errors[0]["message"].as_str().unwrap();
    assert!(message.starts_with("max-text-bytes is 3000"), "{message}");
    let path = errors[0]["path"].as_array().unwrap();
    assert_eq!(path.last(), Some(&json!("stateString")), "{response}");
    // Names count too: so many of them are no answer.
    let alias = "a".repeat(3_500);
    let query = format!("{{ steps {{ nodes {{ {alias}: number {alias}b: number }} }} }}");
    let response = client.execute(&query, json!({})).await;
    assert_eq!(response["data"], Value::Null, "{response}");
    let message = response["errors"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("max-text-bytes is 3000"), "{message}");
}
