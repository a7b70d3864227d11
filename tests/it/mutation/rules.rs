//! What mutations refuse, with which messages, and that nothing is written then.

use serde_json::{Value, json};

use super::{FINISH, LINK, LOCKS, NEW, START};
use crate::support::{client::Client, server::Server};

const STATE: &str = "mutation($s: Int!, $t: String!) { setStepStateString(stepid: $s, stateString: $t) { cursor } }";
const BUILDER: &str = "mutation($n: String!) { findBuilder(name: $n) { builderid } }";

/// A server with a build and a step, and the contents of its tables.
struct Fixture {
    server: Server,
    client: Client,
    build: i64,
    step: i64,
    before: Vec<Value>,
}

async fn contents(server: &Server) -> Vec<Value> {
    let sql = server.sql().await;
    let mut all = Vec::new();
    for rows in [
        "SELECT json_array(id, name) AS json FROM builders",
        "SELECT json_array(id, number, complete_at, state_string, results) AS json FROM builds",
        "SELECT json_array(id, number, name, started_at, locks_acquired_at, complete_at, state_string, results, urls_json, hidden) AS json FROM steps",
        "SELECT json_array(id, kind) AS json FROM graphql_events",
    ] {
        all.extend(sql.rows(rows).await);
    }
    all
}

impl Fixture {
    async fn new() -> Self {
        let server = Server::start().await;
        let client = server.client();
        let build = client.add_build("b").await;
        let (step, _) = client.new_step(build, "s").await;
        let before = contents(&server).await;
        Self {
            server,
            client,
            build,
            step,
            before,
        }
    }

    /// Checks that this is refused as bad input, and returns the message.
    async fn refused(&self, query: &str, variables: Value) -> String {
        let (code, message) = self.client.error(query, variables.clone()).await;
        assert_eq!(code, "BAD_USER_INPUT", "{message} {variables}");
        message
    }

    /// Checks that nothing was written since the start.
    async fn unchanged(&self) {
        assert_eq!(contents(&self.server).await, self.before);
    }
}

#[tokio::test]
async fn a_missing_row_is_not_found_and_nothing_is_written() {
    let it = Fixture::new().await;
    let missing = [
        (NEW, json!({ "b": 99, "n": "x" }), "there is no build 99"),
        (START, json!({ "s": 98 }), "there is no step 98"),
        (START, json!({ "s": -1 }), "there is no step -1"),
        (LOCKS, json!({ "s": 98 }), "there is no step 98"),
        (STATE, json!({ "s": 98, "t": "x" }), "there is no step 98"),
        (
            LINK,
            json!({ "s": 98, "n": "n", "u": "https://example.org/" }),
            "there is no step 98",
        ),
        (
            FINISH,
            json!({ "s": 98, "r": "SUCCESS" }),
            "there is no step 98",
        ),
        (
            "mutation { addBuild(builderid: 97) { build { buildid } } }",
            json!({}),
            "there is no builder 97",
        ),
        (
            "mutation { setBuildStateString(buildid: 96, stateString: \"x\") { build { buildid } } }",
            json!({}),
            "there is no build 96",
        ),
        (
            "mutation { finishBuild(buildid: 96, results: SUCCESS) { build { buildid } } }",
            json!({}),
            "there is no build 96",
        ),
    ];
    for (query, variables, message) in missing {
        let error = it.client.error(query, variables).await;
        assert_eq!(
            error,
            ("NOT_FOUND".to_owned(), message.to_owned()),
            "{query}"
        );
    }
    it.unchanged().await;
}

#[tokio::test]
async fn a_bad_step_name_is_refused_with_a_suggestion() {
    let it = Fixture::new().await;
    let long = "ü".repeat(51);
    let cut = "ü".repeat(50);
    for (bad, offer) in [
        ("has space", "has_space"),
        ("42", "_42"),
        ("9x", "_9x"),
        ("1test", "_1test"),
        (".hidden", "_.hidden"),
        ("a/b", "a_b"),
        ("日本 語", "日本_語"),
        ("line\nbreak", "line_break"),
        ("nul\0", "nul_"),
        ("x\u{9f}", "x_"),
        ("é b\u{301}", "é_b\u{301}"),
        ("a\"b\\", "a_b_"),
        (&long, &cut),
        (&format!("7{cut}"), &format!("_7{}", "ü".repeat(48))),
    ] {
        let message = it.refused(NEW, json!({ "b": it.build, "n": bad })).await;
        assert!(
            message.starts_with("name: ") && message.contains(&format!("\"{offer}\"")),
            "{bad:?}: {message}"
        );
        assert!(
            message.contains("characters") || message.contains("ASCII letter"),
            "no rule: {message}"
        );
    }
    let empty = it.refused(NEW, json!({ "b": it.build, "n": "" })).await;
    assert!(empty.contains("1 to 50"), "{empty}");
    it.unchanged().await;
    for good in [
        "a",
        "_",
        "-",
        "-1",
        "a.b-c_9",
        "ü",
        "日本語",
        "🙂1",
        "\u{a0}x",
        &cut,
    ] {
        let made = it
            .client
            .data(NEW, json!({ "b": it.build, "n": good }))
            .await;
        assert_eq!(made["newStep"]["step"]["name"], good);
    }
}

#[tokio::test]
async fn a_bad_link_is_refused() {
    let it = Fixture::new().await;
    let long = |length: usize| format!("https://e.org/{}", "a".repeat(length - 14));
    for bad in [
        "",
        "docs",
        "/a",
        "//example.org/",
        "javascript:alert(1)",
        "ftp://example.org/",
        "data:text/html,x",
        "https://",
        "https://e.org/\n",
        " https://e.org/\t",
        &long(2_049),
    ] {
        let message = it
            .refused(LINK, json!({ "s": it.step, "n": "n", "u": bad }))
            .await;
        assert!(message.starts_with("url: "), "{bad:?}: {message}");
    }
    for bad in [
        "",
        " ",
        "\u{3000}",
        "a\nb",
        "nul\0",
        "\u{85}",
        &"n".repeat(256),
    ] {
        let message = it
            .refused(
                LINK,
                json!({ "s": it.step, "n": bad, "u": "https://e.org/" }),
            )
            .await;
        assert!(message.starts_with("name: "), "{bad:?}: {message}");
    }
    it.unchanged().await;
    for (i, (name, url)) in [
        (".", long(2_048)),
        (&*"ü".repeat(255), "HTTP://example.org".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let done = it
            .client
            .data(LINK, json!({ "s": it.step, "n": name, "u": url }))
            .await;
        assert_eq!(
            done["addStepURL"]["step"]["urls"][i],
            json!({ "name": name, "url": url })
        );
    }
}

#[tokio::test]
async fn a_bad_state_string_is_refused() {
    let it = Fixture::new().await;
    let build = "mutation($s: Int!, $t: String!) { setBuildStateString(buildid: $s, stateString: $t) { build { stateString } } }";
    for (query, id) in [(STATE, it.step), (build, it.build)] {
        for bad in ["ü".repeat(16_385), "nul\0".to_owned()] {
            let message = it.refused(query, json!({ "s": id, "t": bad })).await;
            assert!(
                message.starts_with("stateString: ") && message.len() < 200,
                "{message}"
            );
        }
    }
    it.unchanged().await;
    for good in [
        "ü".repeat(16_384),
        String::new(),
        "line\n\ttwo \u{7f}".to_owned(),
    ] {
        it.client.set_state(it.step, &good).await;
        let read = it
            .client
            .data("{ step(stepid: 1) { stateString } }", json!({}))
            .await;
        assert_eq!(read["step"]["stateString"], good);
    }
}

#[tokio::test]
async fn a_time_out_of_range_is_refused() {
    let it = Fixture::new().await;
    for (query, argument) in [(START, "startedAt"), (LOCKS, "locksAcquiredAt")] {
        for bad in [
            json!(-1),
            json!("1969-12-31T23:59:59Z"),
            json!(253_402_300_800_i64),
            json!(i64::MIN),
            json!(i64::MAX),
        ] {
            let message = it.refused(query, json!({ "s": it.step, "t": bad })).await;
            assert!(message.starts_with(argument), "{bad}: {message}");
        }
        for bad in [
            json!("yesterday"),
            json!(1.5),
            json!(true),
            json!([1]),
            json!("2026-11-22"),
            json!("10000-01-01T00:00:00Z"),
        ] {
            it.refused(query, json!({ "s": it.step, "t": bad })).await;
        }
    }
    it.unchanged().await;
    for (good, read) in [
        (json!(0), "1970-01-01T00:00:00Z"),
        (json!("1999-12-31T23:59:59.9Z"), "1999-12-31T23:59:59Z"),
    ] {
        let done = it
            .client
            .data(START, json!({ "s": it.step, "t": good }))
            .await;
        assert_eq!(done["done"]["step"]["startedAt"], read);
    }
}

#[tokio::test]
async fn a_bad_builder_name_is_refused() {
    let it = Fixture::new().await;
    for bad in ["", "a\nb", "nul\0", &"ü".repeat(256)] {
        let message = it.refused(BUILDER, json!({ "n": bad })).await;
        assert!(
            message.starts_with("name: ") && message.len() < 200,
            "{message}"
        );
    }
    it.unchanged().await;
    for good in ["42", "runtests linux/日本語", &"ü".repeat(255)] {
        it.client.data(BUILDER, json!({ "n": good })).await;
        let found = it
            .client
            .data(
                "query($n: String!) { builder(name: $n) { name } }",
                json!({ "n": good }),
            )
            .await;
        assert_eq!(found["builder"]["name"], good);
    }
}

#[tokio::test]
async fn a_mutation_with_a_bad_variable_does_not_run() {
    // A bad variable is found before anything runs, so the earlier mutation must not happen either.
    let query = "mutation($b: Int!, $s: Int!, $t: DateTime!) {
        newStep(buildid: $b, name: \"early\") { cursor }
        startStep(stepid: $s, startedAt: $t) { cursor }
    }";
    for bad in [
        json!({ "b": 1, "s": 1 }),
        json!({ "b": 1, "s": 1, "t": null }),
        json!({ "b": 1, "s": 1, "t": "yesterday" }),
        json!({ "b": 1, "s": 2_147_483_648_i64, "t": 1 }),
        json!({ "b": 1, "s": "1", "t": 1 }),
    ] {
        let it = Fixture::new().await;
        let response = it.client.execute(query, bad.clone()).await;
        assert!(response.get("errors").is_some(), "{bad}\n{response:#}");
        assert!(response.get("data").is_none(), "{bad}\n{response:#}");
        it.unchanged().await;
    }
}
