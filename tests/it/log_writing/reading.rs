//! The rows of logs: by id, by slug, in the lists of steps, and as nodes.

use std::sync::{Arc, Mutex};

use buildbot_graphql::testing::Clock;
use serde_json::json;

use super::{add_log, with_step, write};
use crate::support::{database::Database, server::Server};

#[tokio::test]
async fn logs_are_found_every_way() {
    let (_server, client) = with_step(&[]).await;
    client.new_step(1, "test").await;
    add_log(&client, "stdio").await;
    add_log(&client, "a log").await;
    write(&client, r#"addLog(stepid: 2, name: "stdio", type: TEXT)"#).await;
    let query = r#"{
        log(logid: 3) { id logid type step { stepid name } }
        none: log(logid: 9) { logid }
        step(stepid: 1) { logs { logid name slug } log(slug: "a_log") { logid }
            other: log(slug: "a log") { logid } }
        build(buildid: 1) { steps { logs { logid } log(slug: "stdio") { logid step { stepid } } } }
    }"#;
    let data = client.data(query, json!({})).await;
    let id = data["log"]["id"].clone();
    assert_eq!(
        data,
        json!({
            "log": { "id": id, "logid": 3, "type": "TEXT", "step": { "stepid": 2, "name": "test" } },
            "none": null,
            "step": {
                "logs": [
                    { "logid": 1, "name": "stdio", "slug": "stdio" },
                    { "logid": 2, "name": "a log", "slug": "a_log" },
                ],
                "log": { "logid": 2 },
                "other": null,
            },
            "build": { "steps": [
                { "logs": [{ "logid": 1 }, { "logid": 2 }], "log": { "logid": 1, "step": { "stepid": 1 } } },
                { "logs": [{ "logid": 3 }], "log": { "logid": 3, "step": { "stepid": 2 } } },
            ] },
        })
    );
    let node = format!(
        "{{ node(id: {id}) {{ __typename ... on Log {{ logid }} }}
            _entities(representations: [{{ __typename: \"Log\", logid: 1 }}]) {{ ... on Log {{ slug }} }} }}"
    );
    assert_eq!(
        client.data(&node, json!({})).await,
        json!({
            "node": { "__typename": "Log", "logid": 3 },
            "_entities": [{ "slug": "stdio" }],
        })
    );
}

#[tokio::test]
async fn a_level_of_logs_is_one_statement() {
    let database = Database::fresh().await;
    let statements = Arc::new(Mutex::new(Vec::new()));
    let seen = statements.clone();
    let note = move |sql: &str| seen.lock().unwrap().push(sql.to_owned());
    let flags = ["--anonymous", "write"];
    let server = Server::on(database, &flags, Clock::System, Some(Box::new(note))).await;
    let client = server.client();
    let build = client.add_build("b").await;
    for step in 1..=5 {
        client.new_step(build, &format!("s{step}")).await;
        write(&client, &format!("addLog(stepid: {step}, name: \"stdio\")")).await;
    }
    for (field, count) in [("logs { slug }", 1), (r#"log(slug: "stdio") { slug }"#, 1)] {
        statements.lock().unwrap().clear();
        let query = format!("{{ build(buildid: 1) {{ steps {{ {field} }} }} }}");
        client.data(&query, json!({})).await;
        let statements = statements.lock().unwrap();
        let of_logs = statements.iter().filter(|sql| sql.contains("slug"));
        assert_eq!(of_logs.count(), count, "{statements:#?}");
    }
}
