//! The text of logs: lines by number, search, files, and following a log as it is written.

mod broken;
mod files;
mod kill;
mod lines;
mod merge;
mod search;
mod search_cancel;
mod slow_readers;
mod tail;

use serde_json::{Value, json};

use crate::support::{client::Client, server::Server, sql::Sql};

/// A log of a server, and how to write it.
#[derive(Clone)]
struct TestLog {
    client: Client,
    logid: i64,
}

impl TestLog {
    /// An empty log of this type, of a new step.
    async fn new(server: &Server, log_type: &str) -> Self {
        Self::of(server.client(), log_type).await
    }

    /// The same, by this client.
    async fn of(client: Client, log_type: &str) -> Self {
        let build = client.add_build("runtests").await;
        let (step, _) = client.new_step(build, "compile").await;
        let added = client
            .data(
                "mutation($s: Int!, $t: LogType!) { addLog(stepid: $s, name: \"stdio\", type: $t) { log { logid } } }",
                json!({ "s": step, "t": log_type }),
            )
            .await;
        let logid = added["addLog"]["log"]["logid"].as_i64().unwrap();
        Self { client, logid }
    }

    async fn append(&self, content: &str) {
        self.append_to(content, "STDOUT").await;
    }

    async fn append_to(&self, content: &str, stream: &str) {
        self.client
            .data(
                "mutation($l: Int!, $c: String!, $s: LogStream!) { appendLog(logid: $l, content: $c, stream: $s) { cursor } }",
                json!({ "l": self.logid, "c": content, "s": stream }),
            )
            .await;
    }

    async fn finish(&self) {
        self.client
            .data(
                "mutation($l: Int!) { finishLog(logid: $l) { cursor } }",
                json!({ "l": self.logid }),
            )
            .await;
    }

    /// A field of the log.
    async fn field(&self, field: &str) -> Value {
        let query = format!("query($l: Int!) {{ log(logid: $l) {{ field: {field} }} }}");
        let data = self.client.data(&query, json!({ "l": self.logid })).await;
        data["log"]["field"].clone()
    }

    /// The code and message of a field that fails.
    async fn refused(&self, field: &str) -> (String, String) {
        let query = format!("query($l: Int!) {{ log(logid: $l) {{ field: {field} }} }}");
        self.client.error(&query, json!({ "l": self.logid })).await
    }

    /// Adds a row as another program would, with this content in hexadecimal.
    async fn add_chunk(&self, sql: &Sql, first: i32, last: i32, codec: i16, content: &[u8]) {
        let content = sql.bytes(content);
        let logid = self.logid;
        sql.run(&format!(
            "INSERT INTO logchunks (logid, first_line, last_line, content, compressed) \
             VALUES ({logid}, {first}, {last}, {content}, {codec})"
        ))
        .await;
        sql.run(&format!(
            "UPDATE logs SET num_lines = {last} + 1 WHERE id = {logid}"
        ))
        .await;
    }

    /// How many rows there are, and how many of them are compressed.
    async fn chunks(&self, sql: &Sql) -> (i64, i64) {
        let of = format!("FROM logchunks WHERE logid = {}", self.logid);
        let all = sql.number(&format!("SELECT COUNT(*) AS n {of}")).await;
        let packed = format!("SELECT COUNT(*) AS n {of} AND compressed <> 0");
        (all, sql.number(&packed).await)
    }
}
