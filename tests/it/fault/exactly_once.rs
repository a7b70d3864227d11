//! Writers that send each mutation with a key again and again, at once and later, through servers
//! that are killed, and that lose answers: each mutation is done once, and all of its answers are
//! the same.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{free_address, serve};
use crate::support::{TIMEOUT, client::Client, database::Database, sql::Sql};

const WRITERS: usize = 64;

/// A mutation with its key.
struct Keyed {
    key: String,
    query: &'static str,
    variables: Value,
}

impl Keyed {
    /// Sends it once; `None` where the answer is lost or says that the outcome is not known.
    async fn send(&self, client: &Client) -> Option<Value> {
        let body = json!({ "query": self.query, "variables": self.variables });
        let request = client.http.post(&client.url).json(&body);
        let response = request.header("Idempotency-Key", &self.key).send().await;
        let answer: Value = response.ok()?.json().await.ok()?;
        let Some(errors) = answer["errors"].as_array() else {
            return Some(answer);
        };
        for error in errors {
            let code = error["extensions"]["code"].as_str().unwrap();
            let may_be_sent_again = ["UNAVAILABLE", "OUTCOME_UNKNOWN"].contains(&code);
            assert!(may_be_sent_again, "{}: {answer:#}", self.key);
        }
        None
    }

    /// Sends it until it is answered.
    async fn answer(&self, client: &Client) -> Value {
        loop {
            if let Some(answer) = self.send(client).await {
                return answer;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends it to every server at once, after an attempt whose answer nobody waits for.
    async fn answers(&self, clients: &[Client; 2], patience: Duration) -> Value {
        let _ = timeout(patience, self.send(&clients[0])).await;
        let answers = join_all(clients.iter().map(|client| self.answer(client))).await;
        assert_eq!(answers[0], answers[1], "{}", self.key);
        answers.into_iter().next().unwrap()
    }
}

/// Writes a build of its own with every update method, and then asks for each answer once more.
async fn write(addresses: [SocketAddr; 2], number: usize) {
    let clients = addresses.map(Client::new);
    let mut done: Vec<(Keyed, Value)> = Vec::new();
    let mut send = async |query: &'static str, variables: Value| {
        let keyed = Keyed {
            key: format!("writer {number}, mutation {}", done.len()),
            query,
            variables,
        };
        let patience = Duration::from_millis((number + 7 * done.len()) as u64 % 12);
        let answer = keyed.answers(&clients, patience).await;
        done.push((keyed, answer.clone()));
        answer["data"].clone()
    };
    let name = format!("builder {number}");
    let builder = send(
        "mutation($n: String!) { findBuilder(name: $n) { builderid } }",
        json!({ "n": name }),
    )
    .await;
    let r = &builder["findBuilder"]["builderid"];
    let build = send(
        "mutation($r: Int!) { addBuild(builderid: $r) { build { buildid number } } }",
        json!({ "r": r }),
    )
    .await;
    let b = &build["addBuild"]["build"]["buildid"];
    let steps = send(
        "mutation($b: Int!) {
            a: newStep(buildid: $b, name: \"compile\") { cursor step { stepid name number } }
            b: newStep(buildid: $b, name: \"test\") { cursor step { stepid name number } }
            c: newStep(buildid: $b, name: \"test\") { cursor step { stepid name number } }
        }",
        json!({ "b": b }),
    )
    .await;
    let names = ["a", "b", "c"].map(|f| steps[f]["step"]["name"].as_str().unwrap());
    assert_eq!(names, ["compile", "test", "test_1"]);
    let s = &steps["a"]["step"]["stepid"];
    for query in [
        "mutation($s: Int!) { startStep(stepid: $s) { cursor step { startedAt } } }",
        "mutation($s: Int!) { setStepLocksAcquiredAt(stepid: $s) { cursor step { locksAcquiredAt } } }",
        "mutation($s: Int!) { setStepStateString(stepid: $s, stateString: \"busy\") { cursor step { stateString } } }",
        "mutation($s: Int!) { addStepURL(stepid: $s, name: \"log\", url: \"https://example.org/\") { cursor step { urls { url } } } }",
        "mutation($s: Int!) { finishStep(stepid: $s, results: SUCCESS) { cursor step { results completeAt } } }",
    ] {
        send(query, json!({ "s": s })).await;
    }
    for query in [
        "mutation($b: Int!) { setBuildStateString(buildid: $b, stateString: \"done\") { build { stateString } } }",
        "mutation($b: Int!) { finishBuild(buildid: $b, results: SUCCESS) { build { results completeAt } } }",
    ] {
        send(query, json!({ "b": b })).await;
    }
    for (keyed, answer) in &done {
        assert_eq!(keyed.answer(&clients[1]).await, *answer, "{}", keyed.key);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keyed_mutations_are_done_once() {
    let database = Database::fresh().await;
    let addresses = [free_address(), free_address()];
    let mut servers = Vec::new();
    for address in addresses {
        servers.push(serve(address, &database, &[]).await);
    }
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| tokio::spawn(write(addresses, n)))
        .collect();
    let killing = tokio::spawn(async move {
        for round in 0.. {
            sleep(Duration::from_millis(400)).await;
            servers.remove(0).kill().await;
            servers.push(serve(addresses[round % 2], &database, &[]).await);
            if round >= 5 && writers.iter().all(tokio::task::JoinHandle::is_finished) {
                return (writers, servers, database);
            }
        }
        unreachable!()
    });
    let (writers, _servers, database) = timeout(8 * TIMEOUT, killing).await.unwrap().unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    let sql = Sql::open(&database).await;
    let writers = i64::try_from(WRITERS).unwrap();
    for (table, each) in [
        ("builders", 1),
        ("builds", 1),
        ("steps", 3),
        ("graphql_events WHERE noun = 1", 1),
        // Waits for locks change a build as well.
        ("graphql_events WHERE noun = 2 AND kind <> 3", 2),
        ("graphql_events WHERE noun = 4", 8),
    ] {
        let count = sql
            .number(&format!("SELECT COUNT(*) AS n FROM {table}"))
            .await;
        assert_eq!(count, each * writers, "{table}");
    }
    let finished = "SELECT COUNT(*) AS n FROM steps WHERE results = 0 AND name = 'compile' AND state_string = 'busy'";
    assert_eq!(sql.number(finished).await, writers);
}
