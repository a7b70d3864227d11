//! Logs that are written: what the mutations store and refuse, the events that they make, races of
//! writers, and how old logs go.

use serde_json::{Value, json};

use crate::support::{client::Client, server::Server, sql::Sql};

mod events;
mod races;
mod reading;
mod retention;
mod rules;

const LOG: &str = "logid stepid name slug type complete numLines";

/// A server with a step, whose id is 1.
async fn with_step(flags: &[&str]) -> (Server, Client) {
    let mut all = vec!["--anonymous", "write"];
    all.extend(flags);
    let server = Server::with_flags(&all).await;
    let client = server.client();
    let build = client.add_build("b").await;
    client.new_step(build, "compile").await;
    (server, client)
}

/// What a mutation's field gives; it must succeed.
async fn write(client: &Client, field: &str) -> Value {
    let text = format!("mutation {{ it: {field} {{ cursor log {{ {LOG} }} }} }}");
    client.data(&text, json!({})).await["it"].take()
}

/// Adds a log to step 1, and returns its id.
async fn add_log(client: &Client, name: &str) -> i64 {
    let added = write(client, &format!("addLog(stepid: 1, name: {name:?})")).await;
    added["log"]["logid"].as_i64().unwrap()
}

/// Appends text to the standard output of a log.
async fn append(client: &Client, logid: i64, content: &str) -> Value {
    let content = json!(content);
    write(
        client,
        &format!("appendLog(logid: {logid}, content: {content})"),
    )
    .await
}

/// The texts of all lines of a log.
async fn texts(client: &Client, logid: i64) -> Vec<String> {
    let query = format!("{{ log(logid: {logid}) {{ lines {{ lines {{ text }} }} }} }}");
    let data = client.data(&query, json!({})).await;
    let lines = data["log"]["lines"]["lines"].as_array().unwrap();
    let text = |line: &Value| line["text"].as_str().unwrap().to_owned();
    lines.iter().map(text).collect()
}

/// The chunks of a log: first line, last line and codec.
async fn chunks(sql: &Sql, logid: i64) -> Vec<Value> {
    sql.rows(&format!(
        "SELECT json_array(first_line, last_line, compressed) AS json FROM logchunks \
         WHERE logid = {logid} ORDER BY first_line"
    ))
    .await
}
