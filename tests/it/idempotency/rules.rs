//! What a repetition is told, and what a key must look like.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{NEW, execute, post, refusal};
use crate::support::{client::Client, database::Database, process::Process, server::Server};

const EVERYTHING: &str = r#"mutation($r: Int!, $b: Int!, $s: Int!) {
  findBuilder(name: "made") { builderid name tags }
  addBuild(builderid: $r) { build { buildid number startedAt stateString } }
  setBuildStateString(buildid: $b, stateString: "busy") { build { stateString complete } }
  one: newStep(buildid: $b, name: "compile") { cursor step { stepid number name build { buildid } } }
  two: newStep(buildid: $b, name: "compile") { cursor step { stepid number name } }
  startStep(stepid: $s) { cursor step { startedAt locksAcquiredAt } }
  setStepLocksAcquiredAt(stepid: $s) { cursor step { locksAcquiredAt lockWaitS } }
  setStepStateString(stepid: $s, stateString: "日本") { cursor step { stateString } }
  addStepURL(stepid: $s, name: "log", url: "https://example.org/") { cursor step { urls { name url } } }
  finishStep(stepid: $s, results: WARNINGS, hidden: true) { cursor step { results hidden completeAt } }
  finishBuild(buildid: $b, results: FAILURE) { build { results completeAt } }
}"#;

/// How much there is of everything that mutations write.
async fn amounts(server: &Server) -> Vec<Value> {
    let tables = ["builders", "builds", "steps", "graphql_events"];
    let counts = tables.map(|table| format!("(SELECT COUNT(*) FROM {table})"));
    let sql = format!("SELECT json_array({}) AS json", counts.join(", "));
    server.sql().await.rows(&sql).await
}

#[tokio::test]
async fn a_repetition_is_told_what_was_done() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    let variables = json!({ "r": 1, "b": build, "s": step });
    let first = execute(&client, "k", EVERYTHING, &variables).await;
    assert!(first.get("errors").is_none(), "{first:#}");
    assert_eq!(first["data"]["two"]["step"]["name"], "compile_1");
    let before = amounts(&server).await;
    // Another write in between: the repetition tells what the first left.
    client.data("mutation($s: Int!) { setStepStateString(stepid: $s, stateString: \"later\") { cursor } }", json!({ "s": step })).await;
    for _ in 0..2 {
        assert_eq!(execute(&client, "k", EVERYTHING, &variables).await, first);
    }
    let words_apart = EVERYTHING
        .replace('\n', " ")
        .replace("newStep", "  newStep");
    assert_eq!(execute(&client, "k", &words_apart, &variables).await, first);
    let mut events = before[0].clone();
    events[3] = json!(events[3].as_i64().unwrap() + 1);
    assert_eq!(amounts(&server).await, [events]);
    let state = format!("SELECT json_array(state_string) AS json FROM steps WHERE id = {step}");
    assert_eq!(server.sql().await.rows(&state).await, [json!(["later"])]);
}

#[tokio::test]
async fn a_field_that_failed_is_done_anew_and_the_others_are_told() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let query = r#"mutation {
        a: newStep(buildid: 1, name: "a") { cursor step { stepid } }
        b: setStepStateString(stepid: 2, stateString: "x") { cursor step { stateString } }
        c: newStep(buildid: 1, name: "c") { cursor step { stepid } }
    }"#;
    // The step with the id 2 is the one that the third field adds.
    let first = execute(&client, "k", query, &json!({})).await;
    assert_eq!(first["errors"][0]["path"], json!(["b"]), "{first:#}");
    assert_eq!(first["errors"][0]["extensions"]["code"], "NOT_FOUND");
    assert_eq!(first["data"]["b"], Value::Null);
    let again = execute(&client, "k", query, &json!({})).await;
    assert!(again.get("errors").is_none(), "{again:#}");
    assert_eq!(again["data"]["a"], first["data"]["a"]);
    assert_eq!(again["data"]["b"]["step"]["stateString"], "x");
    assert_eq!(again["data"]["c"], first["data"]["c"]);
    assert_eq!(execute(&client, "k", query, &json!({})).await, again);
    let steps = server.sql().await;
    let sql = format!("SELECT COUNT(*) AS n FROM steps WHERE buildid = {build}");
    assert_eq!(steps.number(&sql).await, 2);
}

#[tokio::test]
async fn a_key_is_good_for_one_document_and_its_variables() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let variables = json!({ "b": build, "n": "s" });
    let first = execute(&client, "k", NEW, &variables).await;
    let others = [
        (NEW.to_owned(), json!({ "b": build, "n": "other" })),
        (NEW.replace(" name }", " }"), variables.clone()),
        (NEW.replace("newStep", "x: newStep"), variables.clone()),
        (
            "mutation { findBuilder(name: \"new\") { name } }".to_owned(),
            json!({}),
        ),
    ];
    for (query, variables) in others {
        let (status, code, message) = refusal(&client, "k", &query, &variables).await;
        assert_eq!((status, &*code), (422, "CONFLICT"), "{query}: {message}");
        assert!(
            message.starts_with("Idempotency-Key: one key for one document"),
            "{message}"
        );
    }
    let sql = server.sql().await;
    assert_eq!(sql.number("SELECT COUNT(*) AS n FROM steps").await, 1);
    assert_eq!(sql.number("SELECT COUNT(*) AS n FROM builders").await, 1);
    assert_eq!(execute(&client, "k", NEW, &variables).await, first);
    // Another key is another mutation.
    let second = execute(&client, "k2", NEW, &variables).await;
    assert_eq!(second["data"]["newStep"]["step"]["name"], "s_1");
}

#[tokio::test]
async fn a_key_has_1_to_255_printable_characters() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let variables = json!({ "b": build, "n": "s" });
    let body = json!({ "query": NEW, "variables": variables });
    let rule = "1 to 255 printable ASCII characters, got";
    let long = "k".repeat(256);
    for (key, got) in [
        (&b""[..], "0"),
        (long.as_bytes(), "256"),
        ("é".as_bytes(), "'é'"),
        (b"a\tb", "'\\t'"),
        (b"a\xff", "'\u{fffd}'"),
    ] {
        let request = client.http.post(&client.url).json(&body);
        let response = request.header("Idempotency-Key", key).send().await.unwrap();
        assert_eq!(response.status(), 400, "{got}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(
            answer["errors"][0]["message"],
            format!("Idempotency-Key: {rule} {got}")
        );
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    }
    let by_extension = |key: Value| {
        let body = json!({ "query": NEW, "variables": variables, "extensions": { "idempotencyKey": key } });
        client.http.post(&client.url).json(&body)
    };
    for (key, message) in [
        (json!(""), format!("extensions.idempotencyKey: {rule} 0")),
        (
            json!("a\u{7f}"),
            format!("extensions.idempotencyKey: {rule} '\\u{{7f}}'"),
        ),
        (json!(7), "idempotencyKey: a String, got 7".to_owned()),
    ] {
        let response = by_extension(key).send().await.unwrap();
        assert_eq!(response.status(), 400, "{message}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["errors"][0]["message"], message);
    }
    let several = by_extension(json!("one")).header("Idempotency-Key", "other");
    assert_eq!(several.send().await.unwrap().status(), 400);
    let twice = by_extension(Value::Null)
        .header("Idempotency-Key", "k")
        .header("Idempotency-Key", "k");
    assert_eq!(twice.send().await.unwrap().status(), 400);
    assert_eq!(
        server
            .sql()
            .await
            .number("SELECT COUNT(*) AS n FROM steps")
            .await,
        0
    );
    for key in ["k", &"~ ".repeat(127), &"k".repeat(255)] {
        assert_eq!(
            post(&client, key, NEW, &variables).await.status(),
            200,
            "{key:?}"
        );
    }
    // Both places may carry the same one.
    let both = by_extension(json!("k")).header("Idempotency-Key", "k");
    assert_eq!(both.send().await.unwrap().status(), 200);
    assert_eq!(
        server
            .sql()
            .await
            .number("SELECT COUNT(*) AS n FROM steps")
            .await,
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_the_same_moment_one_is_done_and_all_are_told() {
    let database = Database::fresh().await;
    let one = Process::start(&database, &[]).await;
    let two = Process::start(&database, &[]).await;
    let clients = [Client::new(one.address), Client::new(two.address)];
    let build = clients[0].add_build("b").await;
    for round in 0..5 {
        let (key, variables) = (format!("k{round}"), json!({ "b": build, "n": "s" }));
        let asked = (0..16).map(|i| execute(&clients[i % 2], &key, NEW, &variables));
        let answers = join_all(asked).await;
        assert!(answers[0].get("errors").is_none(), "{:#}", answers[0]);
        for answer in &answers {
            assert_eq!(*answer, answers[0]);
        }
    }
    // Of different requests with one key, one is done.
    let asked = (0..16).map(|i| {
        let variables = json!({ "b": build, "n": format!("other{i}") });
        let client = clients[i % 2].clone();
        async move {
            post(&client, "shared", NEW, &variables)
                .await
                .status()
                .as_u16()
        }
    });
    let mut statuses = join_all(asked).await;
    statuses.sort_unstable();
    let mut expected = vec![200];
    expected.extend([422; 15]);
    assert_eq!(statuses, expected);
    let steps = clients[0].data("{ steps { totalCount } }", json!({})).await;
    assert_eq!(steps["steps"]["totalCount"], 6);
}

#[tokio::test]
async fn a_query_ignores_its_key() {
    let server = Server::start().await;
    let client = server.client();
    let query = "{ builders { totalCount } }";
    for builders in 0..2 {
        let answer = execute(&client, "k", query, &json!({})).await;
        assert_eq!(answer["data"]["builders"]["totalCount"], builders);
        client.add_build("b").await;
    }
    let keys = "SELECT COUNT(*) AS n FROM graphql_idempotency_keys";
    assert_eq!(server.sql().await.number(keys).await, 0);
}

#[tokio::test]
async fn in_a_batch_each_mutation_has_its_own_key() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let operation = |name: &str, key: &str| json!({ "query": NEW, "variables": { "b": build, "n": name }, "extensions": { "idempotencyKey": key } });
    let batch = json!([
        operation("x", "one"),
        operation("y", "two"),
        operation("z", "one")
    ]);
    let send = || client.http.post(&client.url).json(&batch);
    let first: Value = send().send().await.unwrap().json().await.unwrap();
    assert_eq!(
        first[1]["data"]["newStep"]["step"]["name"], "y",
        "{first:#}"
    );
    assert_eq!(first[2]["errors"][0]["extensions"]["code"], "CONFLICT");
    let again: Value = send().send().await.unwrap().json().await.unwrap();
    assert_eq!((&again[0], &again[1]), (&first[0], &first[1]));
    let refused = send().header("Idempotency-Key", "k").send().await.unwrap();
    assert_eq!(refused.status(), 400);
    let body: Value = refused.json().await.unwrap();
    let message = body["errors"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("in a batch each has its own, in extensions.idempotencyKey"),
        "{message}"
    );
    assert_eq!(
        server
            .sql()
            .await
            .number("SELECT COUNT(*) AS n FROM steps")
            .await,
        2
    );
}
