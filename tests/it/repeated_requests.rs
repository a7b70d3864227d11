//! One document again and again, as from a client that polls: each request is answered by its own
//! operation, variables and errors, whatever the last one was.

use serde_json::{Value, json};

use crate::support::{client::Client, server::Server};

const DOCUMENT: &str = "
    query Step($id: Int!, $named: Boolean = true) {
      step(stepid: $id) { stepid name @include(if: $named) }
    }
    query Build($id: Int!) { build(buildid: $id) { buildid } }
    query Types { __typename __type(name: \"Step\") { name } }
    mutation State($id: Int!, $text: String!) {
      setStepStateString(stepid: $id, stateString: $text) { step { stateString } }
    }";

async fn send(client: &Client, name: &str, variables: &Value) -> Value {
    let body = json!({ "query": DOCUMENT, "operationName": name, "variables": variables });
    let response = client.http.post(&client.url).json(&body).send().await;
    response.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn each_request_gets_its_own_answer() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    for name in ["one", "two"] {
        client.new_step(build, name).await;
    }
    let step = |id: i32, name: &str| json!({ "step": { "stepid": id, "name": name } });
    let cases = [
        ("Step", json!({ "id": 1 }), step(1, "one")),
        ("Step", json!({ "id": 2 }), step(2, "two")),
        ("Step", json!({ "id": 2, "named": true }), step(2, "two")),
        (
            "Step",
            json!({ "id": 2, "named": false }),
            json!({ "step": { "stepid": 2 } }),
        ),
        // What the operation does not declare does not count.
        ("Step", json!({ "id": 1, "other": [1] }), step(1, "one")),
        ("Step", json!({ "id": 3 }), json!({ "step": null })),
        // Another operation with the same variables.
        (
            "Build",
            json!({ "id": 1 }),
            json!({ "build": { "buildid": 1 } }),
        ),
        (
            "Types",
            json!({}),
            json!({ "__typename": "Query", "__type": { "name": "Step" } }),
        ),
    ];
    for (name, variables, expected) in cases.iter().chain(cases.iter().rev()) {
        for _ in 0..2 {
            let answer = send(&client, name, variables).await;
            assert_eq!(answer, json!({ "data": expected }), "{name} {variables}");
        }
        let wrong = send(&client, name, &json!({ "id": "one" })).await;
        let argument = &wrong["errors"][0]["extensions"]["argument"];
        assert_eq!(argument == "$id", *name != "Types", "{wrong:#}");
    }
    // A mutation is done each time.
    for text in ["a", "a", "b"] {
        let variables = json!({ "id": 1, "text": text });
        client.set_state(1, "between").await;
        let answer = send(&client, "State", &variables).await;
        let written = json!({ "setStepStateString": { "step": { "stateString": text } } });
        assert_eq!(answer, json!({ "data": written }));
        let now = client.data("{ step(stepid: 1) { stateString } }", json!({}));
        assert_eq!(now.await["step"]["stateString"], text);
    }
}
