//! Requests that ask for rows by their keys at the same moment: each gets its own. On a database
//! server they share statements; the answers are the same on each database.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    observability::metrics::samples,
    support::{
        TIMEOUT,
        client::Client,
        database::{Kind, kind},
        server::{Server, WITHOUT_CACHE, WITHOUT_LIMITS},
        sql::Sql,
    },
};

const BUILDS: i64 = 40;
const STEPS: i64 = 5;
/// Of a build with more steps than are read for several requests at once.
const MANY: i64 = 4_500;
/// Of steps whose texts are more than are.
const LONG: usize = 60_000;
const LONG_STEPS: i64 = 90;

/// Builds with a few steps each, one with many, and one with long texts.
async fn seed(sql: &Sql) {
    let text = "x".repeat(LONG);
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4999)";
    for (rows, number, build, state) in [
        (
            BUILDS * STEPS,
            format!("i % {STEPS}"),
            format!("1 + i / {STEPS}"),
            "''",
        ),
        (MANY, "i".to_owned(), "41".to_owned(), "''"),
        (LONG_STEPS, "i".to_owned(), "42".to_owned(), text.as_str()),
    ] {
        let build = if build.contains('/') && kind() == Kind::Mariadb {
            build.replace('/', "DIV")
        } else {
            build
        };
        let state = if state == "''" {
            "'s'".to_owned()
        } else {
            format!("'{state}'")
        };
        sql.run(&format!(
            "INSERT INTO steps (number, name, buildid, state_string, urls_json) {numbers} \
             SELECT {number}, 'step-' || i, {build}, {state}, '[]' FROM n WHERE i < {rows}"
        ))
        .await;
    }
}

async fn seeded(flags: &[&str]) -> (Server, Client) {
    let flags = [&WITHOUT_LIMITS[..], &WITHOUT_CACHE, flags].concat();
    let server = Server::with_flags(&flags).await;
    let client = server.client();
    for _ in 0..BUILDS + 2 {
        client.add_build("b").await;
    }
    seed(&server.sql().await).await;
    (server, client)
}

fn of_build(id: i64) -> String {
    format!("{{ build(buildid: {id}) {{ buildid number steps {{ number buildid }} }} }}")
}

fn expected(id: i64, steps: i64) -> Value {
    let steps = (0..steps).map(|number| json!({ "number": number, "buildid": id }));
    json!({ "build": { "buildid": id, "number": id, "steps": steps.collect::<Vec<_>>() } })
}

/// Asks for everything at once, and checks that each answer is that of its query.
async fn ask(client: &Client, asked: Vec<(String, Value)>) {
    let mut answers = JoinSet::new();
    for (query, expected) in asked {
        let client = client.clone();
        answers.spawn(async move {
            let answer = client.data(&query, json!({})).await;
            assert!(answer == expected, "{query}: {answer}");
        });
    }
    while let Some(answer) = answers.join_next().await {
        answer.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_gets_its_own_rows() {
    let (_server, client) = seeded(&[]).await;
    let before = samples(&client).await;
    let mut asked = Vec::new();
    for round in 0..5 {
        for id in 1..=BUILDS {
            asked.push((of_build(id), expected(id, STEPS)));
        }
        // What is not there, and what is asked for twice.
        let missing = BUILDS + 100 + round;
        asked.push((of_build(missing), json!({ "build": null })));
        let twice = "{ a: step(stepid: 1) { stepid } b: step(stepid: 1) { stepid } c: step(stepid: 99999) { stepid } }";
        asked.push((
            twice.to_owned(),
            json!({ "a": { "stepid": 1 }, "b": { "stepid": 1 }, "c": null }),
        ));
    }
    // A build that is there takes another one for its steps.
    let alone = i64::try_from(asked.len()).unwrap() + 5 * BUILDS;
    ask(&client, asked).await;
    let statements = "statement_duration_seconds_count{pool=\"read\"}";
    let after = samples(&client).await;
    let run = after[statements] - before.get(statements).unwrap_or(&0.0);
    if kind() != Kind::Sqlite {
        assert!(
            run < f64::from(i32::try_from(alone).unwrap()),
            "{run} statements, and {alone} without others"
        );
    }
}

#[tokio::test]
async fn steps_count_where_they_are_asked_for() {
    // One fewer than the build and all its steps.
    let max = STEPS.to_string();
    let server = Server::with_flags(&["--anonymous", "write", "--max-rows", &max]).await;
    let client = server.client();
    let build = client.add_build("b").await;
    for number in 1..STEPS {
        client.new_step(build, &format!("s{number}")).await;
    }
    // Those that are asked for twice are read once.
    let query =
        format!("{{ build(buildid: {build}) {{ a: steps {{ number }} steps {{ number }} }} }}");
    let steps: Vec<_> = (1..STEPS)
        .map(|number| json!({ "number": number - 1 }))
        .collect();
    let answer = client.data(&query, json!({})).await;
    assert_eq!(answer, json!({ "build": { "a": steps, "steps": steps } }));
    client.new_step(build, "last").await;
    let answer = client.execute(&of_build(build), json!({})).await;
    let error = &answer["errors"][0];
    assert_eq!(error["path"], json!(["build", "steps"]), "{answer:#}");
    assert_eq!(error["extensions"]["limit"], "max-rows");
    // Steps without a build are read in vain.
    let answer = client.data(&of_build(build + 1), json!({})).await;
    assert_eq!(answer, json!({ "build": null }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_rows_for_one_statement_are_read_alone() {
    let (_server, client) = seeded(&[]).await;
    for _ in 0..3 {
        let mut asked: Vec<_> = (1..=BUILDS)
            .map(|id| (of_build(id), expected(id, STEPS)))
            .collect();
        asked.push((of_build(41), expected(41, MANY)));
        asked.push((of_build(42), expected(42, LONG_STEPS)));
        ask(&client, asked).await;
    }
    let long = client
        .data(
            "{ build(buildid: 42) { steps { stateString } } }",
            json!({}),
        )
        .await;
    let steps = long["build"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), usize::try_from(LONG_STEPS).unwrap());
    let text = json!("x".repeat(LONG));
    assert!(steps.iter().all(|step| step["stateString"] == text));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_are_replaced() {
    if kind() == Kind::Sqlite {
        return;
    }
    let (server, client) = seeded(&[]).await;
    let asked = || {
        (1..=BUILDS)
            .map(|id| (of_build(id), expected(id, STEPS)))
            .collect::<Vec<_>>()
    };
    ask(&client, asked()).await;
    let sql = server.sql().await;
    for _ in 0..5 {
        sql.kill_other_connections().await;
        // The pool tests a connection that idles, and so may look-ups.
        sleep(Duration::from_millis(1_100)).await;
        ask(&client, asked()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_keeps_other_rows_from_nobody() {
    let (lock, unlock) = match kind() {
        // Readers wait for no lock.
        Kind::Sqlite => return,
        Kind::Postgres => (
            "BEGIN; LOCK TABLE steps IN ACCESS EXCLUSIVE MODE",
            "ROLLBACK",
        ),
        Kind::Mariadb => ("LOCK TABLES steps WRITE", "UNLOCK TABLES"),
    };
    // Longer than the test waits.
    let times = ["--statement-seconds", "100", "--max-seconds", "200"];
    let proxy = ["--trusted-proxy", "127.0.0.1"];
    let (server, client) = seeded(&[&times[..], &proxy].concat()).await;
    // Opens the connections.
    let asked = (1..=BUILDS).map(|id| (of_build(id), expected(id, STEPS)));
    ask(&client, asked.collect()).await;
    let sql = server.sql().await;
    sql.run(lock).await;
    let mut held = JoinSet::new();
    // More than there are connections for look-ups, and turns for a caller.
    for id in 1..=8 {
        let client = server.client_at("192.0.2.1");
        held.spawn(async move { (id, client.data(&of_build(id), json!({})).await) });
        // The next one takes another connection.
        sleep(Duration::from_millis(50)).await;
    }
    let other = server.client_at("192.0.2.2");
    for _ in 0..3 {
        let free = "{ build(buildid: 3) { number builder { name } } }";
        let answer = timeout(TIMEOUT, other.data(free, json!({}))).await;
        let answer = answer.expect("an answer while the table is locked");
        assert_eq!(answer["build"]["builder"]["name"], "b");
    }
    assert!(held.try_join_next().is_none());
    sql.run(unlock).await;
    while let Some(answer) = held.join_next().await {
        let (id, answer) = answer.unwrap();
        assert_eq!(answer, expected(id, STEPS));
    }
}
