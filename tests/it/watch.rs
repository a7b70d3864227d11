//! `watch`: the real command against the real server.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
    time::timeout,
};

use crate::support::{TIMEOUT, client::Client, process::command};

mod encrypted;
mod interruption;
mod log;
mod output;
mod refusal;
mod terminal;
mod token;
mod waiting;

/// A running `watch` whose output is read line by line.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    log: Lines<BufReader<ChildStderr>>,
}

/// The command `watch` for a server.
fn watch(address: SocketAddr, args: &[&str]) -> Command {
    let mut command = command();
    command
        .arg("watch")
        .arg(format!("http://{address}"))
        .args(args);
    command
}

impl Watch {
    fn start(address: SocketAddr, args: &[&str]) -> Self {
        Self::spawn(&mut watch(address, args))
    }

    fn spawn(command: &mut Command) -> Self {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines, log }
    }

    /// The next line, as it is.
    async fn text(&mut self) -> Option<String> {
        let line = timeout(TIMEOUT, self.lines.next_line()).await;
        line.expect("no line in time").unwrap()
    }

    /// The fields of the next line but its time, which is checked to be one.
    async fn line(&mut self) -> Option<Vec<String>> {
        let line = self.text().await?;
        let mut fields: Vec<_> = line.split('\t').map(str::to_owned).collect();
        assert_eq!(fields.len(), 8, "{line:?}");
        let at = fields.remove(0);
        assert!(
            chrono::DateTime::parse_from_rfc3339(&at).is_ok(),
            "{line:?}"
        );
        Some(fields)
    }

    /// Expects that the next line has these fields after its time.
    async fn expect(&mut self, fields: &str) {
        let line = self.line().await.unwrap_or_default();
        assert_eq!(line.join(" "), fields);
    }

    /// Waits for a line of the log with this word.
    async fn expect_log(&mut self, word: &str) -> String {
        self.expect_log_within(word, TIMEOUT).await
    }

    async fn expect_log_within(&mut self, word: &str, within: Duration) -> String {
        let mut read = Vec::new();
        let found = timeout(within, async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                if line.contains(word) {
                    return Some(line);
                }
                read.push(line);
            }
            None
        });
        let found = found.await.ok().flatten();
        found.unwrap_or_else(|| panic!("{word:?} is not in {read:#?}"))
    }

    /// The exit status.
    async fn status(mut self) -> Option<i32> {
        let status = timeout(TIMEOUT, self.child.wait()).await;
        status.expect("it does not end").unwrap().code()
    }

    async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        let done = Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status()
            .await;
        assert!(done.unwrap().success());
    }
}

/// Runs `watch` to its end: its exit status, its lines and what it says.
async fn run(address: SocketAddr, args: &[&str]) -> (Option<i32>, String, String) {
    let url = format!("http://{address}");
    crate::cli::run(&[&["watch", &*url], args].concat()).await
}

async fn finish_build(client: &Client, buildid: i64, results: &str) {
    let finish =
        "mutation($b: Int!, $r: Results!) { finishBuild(buildid: $b, results: $r) { cursor } }";
    client
        .data(finish, json!({ "b": buildid, "r": results }))
        .await;
}

/// Runs a mutation of a step, with these arguments beside its id.
async fn change_step(client: &Client, field: &str, stepid: i64, arguments: &str) -> Value {
    let mutation = format!("mutation {{ {field}(stepid: {stepid}{arguments}) {{ cursor }} }}");
    client.data(&mutation, json!({})).await
}
