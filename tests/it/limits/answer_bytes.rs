//! The bytes of an answer as it is sent: names of fields and escaped characters count beside texts,
//! in a batch those of all operations, and in REST.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{client::Client, server::Server, wait_until};

/// An answer may have 20,000 bytes.
const FLAGS: [&str; 4] = ["--anonymous", "write", "--max-text-bytes", "10000"];

/// A server with 20 steps.
async fn server() -> (Server, Client) {
    let server = Server::with_flags(&FLAGS).await;
    let client = server.client();
    let build = client.add_build("b").await;
    for n in 0..20 {
        client.new_step(build, &format!("s{n}")).await;
    }
    (server, client)
}

/// The steps, each under a name of so many bytes.
fn named(bytes: usize) -> String {
    let name = "x".repeat(bytes);
    format!("{{ build(buildid: 1) {{ steps {{ {name}: number }} }} }}")
}

/// Checks that this is the error of an answer with too many bytes.
fn check_too_large(error: &Value) {
    let extensions = &error["extensions"];
    assert_eq!(extensions["code"], "LIMIT_EXCEEDED", "{error:#}");
    assert_eq!(extensions["limit"], "max-text-bytes", "{error:#}");
    assert_eq!(extensions["max"], 10_000, "{error:#}");
}

#[tokio::test]
async fn names_of_fields_count() {
    let (_server, client) = server().await;
    client.data(&named(900), json!({})).await;
    let answer = client.execute(&named(1_000), json!({})).await;
    assert_eq!(answer["data"], json!(null));
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{answer:#}");
    check_too_large(&answer["errors"][0]);
}

#[tokio::test]
async fn escaped_characters_count() {
    let (_server, client) = server().await;
    let set = async |times: usize| client.set_state(1, &"\u{1}".repeat(times)).await;
    let ask = "{ step(stepid: 1) { stateString } }";
    set(3_300).await;
    client.data(ask, json!({})).await;
    set(3_400).await;
    check_too_large(&client.execute(ask, json!({})).await["errors"][0]);
}

#[tokio::test]
async fn what_a_mutation_has_written_is_told_although_its_answer_is_too_large() {
    let (_server, client) = server().await;
    let name = "x".repeat(1_000);
    let selection = format!("step {{ build {{ steps {{ {name}: number }} }} }}");
    let query = format!("mutation {{ newStep(buildid: 1, name: \"t\") {{ {selection} }} }}");
    let (code, message) = client.error(&query, json!({})).await;
    assert_eq!(code, "OUTCOME_UNKNOWN", "{message}");
    let count = "{ steps(where: { name: { eq: \"t\" } }) { totalCount } }";
    let data = client.data(count, json!({})).await;
    assert_eq!(data["steps"]["totalCount"], 1);
}

#[tokio::test]
async fn an_event_that_is_too_large_is_left_out_and_the_next_follows() {
    let (server, client) = server().await;
    let mut ws = server.ws().await;
    let arguments = "(where: { stepid: 1 }, snapshot: true)";
    let name = "x".repeat(1_000);
    let selection = format!("step {{ build {{ steps {{ {name}: number }} }} }}");
    let query = format!("subscription {{ stepEvents{arguments} {{ kind {selection} }} }}");
    let payload = json!({ "query": query });
    ws.send(json!({ "id": "1", "type": "subscribe", "payload": payload }))
        .await;
    for n in 0..3 {
        let next = ws.receive().await;
        client.set_state(1, &n.to_string()).await;
        assert_eq!(next["payload"]["data"], json!(null), "{next:#}");
        check_too_large(&next["payload"]["errors"][0]);
    }
}

#[tokio::test]
async fn the_answers_of_a_batch_count_together() {
    let (server, client) = server().await;
    let add = "mutation { findBuilder(name: \"late\") { builderid } }";
    let long = json!({ "query": named(900) });
    let batch = json!([long, long, long, { "query": add }]);
    let request = client.http.post(&client.url).json(&batch);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let answers: Value = response.json().await.unwrap();
    for n in 0..2 {
        assert!(answers[n]["errors"].is_null(), "{n}");
    }
    for n in 2..4 {
        check_too_large(&answers[n]["errors"][0]);
        // It was not executed.
        assert!(answers[n].get("data").is_none(), "{n}");
    }
    let builders = client.data("{ builders { totalCount } }", json!({})).await;
    assert_eq!(builders["builders"]["totalCount"], 1);
    wait_until(async || server.handle.memory_held() == 0).await;
}

#[tokio::test]
async fn a_rest_answer_has_as_many() {
    let (server, _client) = server().await;
    let sql = server.sql().await;
    let state = "x".repeat(900);
    sql.run(&format!("UPDATE steps SET state_string = '{state}'"))
        .await;
    let get = async |query: &str| {
        let url = format!("http://{}/api/v2/builds/1/steps{query}", server.address);
        reqwest::get(url).await.unwrap()
    };
    assert_eq!(get("?limit=10").await.status(), StatusCode::OK);
    let refused = get("").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let body: Value = refused.json().await.unwrap();
    let message = body["error"].as_str().unwrap();
    assert!(message.starts_with("max-text-bytes is 10000"), "{message}");
    wait_until(async || server.handle.memory_held() == 0).await;
}
