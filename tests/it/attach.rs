//! The change feed in a Buildbot master's database: installed, followed, lost and removed again.

mod earlier_columns;
mod earlier_feed;
mod master_safety;
mod missing_nouns;
mod older;

use buildbot_graphql::testing::Clock;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    feed::{after, newest_cursor},
    master::{server, sqlite::live},
    support::{
        TIMEOUT,
        client::Client,
        database::{Database, Kind, kind},
        outlast_readiness,
        process::command,
        server::Server,
        sql::Sql,
        wait_until,
        ws::Ws,
    },
};

/// A master's database and a connection that writes to it as the master does.
pub(crate) async fn master() -> (Database, Sql) {
    if let Some(master) = server::master().await {
        master.1.advance_ids().await;
        return master;
    }
    let database = Database::copy_of(&live());
    let sql = Sql::open(&database).await;
    sql.run("PRAGMA foreign_keys = OFF; PRAGMA journal_mode = WAL")
        .await;
    (database, sql)
}

pub(crate) async fn serve(database: &Database, flags: &[&str]) -> Server {
    Server::on(database.clone(), flags, Clock::System, None).await
}

/// Runs a command on a database: its stdout lines on success, its stderr on failure.
pub(crate) async fn run(what: &str, database: &Database) -> Result<Vec<String>, String> {
    let mut command = command();
    let done = command
        .args([what, "--database-url", &database.url])
        .output();
    let done = timeout(TIMEOUT * 2, done).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if done.status.success() {
        Ok(text(done.stdout).lines().map(str::to_owned).collect())
    } else {
        Err(text(done.stderr))
    }
}

/// The whole schema: every table, column, index, trigger, function and sequence.
pub(crate) async fn schema(sql: &Sql) -> Vec<Value> {
    let queries: &[&str] = match kind() {
        Kind::Sqlite => &[
            "SELECT json_array(type, name, tbl_name, sql) AS json FROM sqlite_master ORDER BY type, name",
        ],
        Kind::Postgres => &[
            "SELECT json_array(table_name, column_name, data_type, column_default) AS json FROM information_schema.columns \
             WHERE table_schema = 'public' ORDER BY table_name, column_name",
            "SELECT json_array(indexdef) AS json FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname",
            "SELECT json_array(pg_get_triggerdef(oid)) AS json FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname",
            "SELECT json_array(proname) AS json FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY proname",
            "SELECT json_array(sequencename) AS json FROM pg_sequences ORDER BY sequencename",
        ],
        Kind::Mariadb => &[
            "SELECT json_array(table_name, column_name, column_type, collation_name) AS json FROM information_schema.columns \
             WHERE table_schema = DATABASE() ORDER BY table_name, column_name",
            "SELECT json_array(table_name, index_name, column_name) AS json FROM information_schema.statistics \
             WHERE table_schema = DATABASE() ORDER BY table_name, index_name, column_name",
            "SELECT json_array(trigger_name, action_statement) AS json FROM information_schema.triggers \
             WHERE trigger_schema = DATABASE() ORDER BY trigger_name",
            "SELECT json_array(routine_name) AS json FROM information_schema.routines WHERE routine_schema = DATABASE()",
        ],
    };
    let mut all = Vec::new();
    for query in queries {
        all.extend(sql.rows(query).await);
    }
    all
}

/// Adds a step as a master does, and returns it with its id.
pub(crate) async fn add_step(sql: &Sql, name: &str) -> i64 {
    sql.run(&format!(
        "INSERT INTO steps (number, name, buildid, state_string, urls_json, hidden) \
         SELECT MAX(number) + 1, '{name}', 1, 'pending', '[]', 0 FROM steps WHERE buildid = 1"
    ))
    .await;
    let id = format!("SELECT id AS n FROM steps WHERE name = '{name}' AND buildid = 1");
    match kind() {
        Kind::Postgres => {
            sql.number(&id.replace("id AS n", "CAST(id AS bigint) AS n"))
                .await
        }
        _ => sql.number(&id).await,
    }
}

async fn ready(server: &Server) -> Value {
    outlast_readiness().await;
    let url = format!("http://{}/readyz", server.address);
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

/// Subscribes repeatedly until the feed is available.
async fn subscribe_when_ready(server: &Server, client: &Client) -> Ws {
    wait_until(async || client.execute("{ eventCursor }", json!({})).await["data"].is_object())
        .await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(&newest_cursor(client).await)).await;
    ws
}

const BUILDER_TRIGGERS: &[&str] = &[
    "graphql_builders_insert",
    "graphql_builders_update",
    "graphql_builders_tags_insert",
    "graphql_builders_tags_delete",
];
const BUILD_TRIGGERS: &[&str] = &["graphql_builds_insert", "graphql_builds_update"];
const STEP_TRIGGERS: &[&str] = &["graphql_steps_insert", "graphql_steps_update"];
const LOG_TRIGGERS: &[&str] = &["graphql_logs_insert", "graphql_logs_update"];

fn expected(verb: &str) -> Vec<String> {
    let mut parts = vec!["table graphql_events", "table graphql_feed"];
    if kind() != Kind::Sqlite {
        parts.push("table graphql_lost");
    }
    let mut parts: Vec<String> = parts.into_iter().map(str::to_owned).collect();
    for triggers in [
        BUILDER_TRIGGERS,
        BUILD_TRIGGERS,
        STEP_TRIGGERS,
        LOG_TRIGGERS,
    ] {
        let mut add = |what| parts.extend(triggers.iter().map(|name| format!("{what} {name}")));
        if kind() == Kind::Postgres {
            add("function");
        }
        add("trigger");
    }
    parts.iter().map(|part| format!("{verb} {part}")).collect()
}

fn reversed(mut lines: Vec<String>) -> Vec<String> {
    lines.reverse();
    lines
}

#[tokio::test]
async fn detach_removes_what_attach_installed() {
    let (database, sql) = master().await;
    let before = schema(&sql).await;
    for _ in 0..2 {
        assert_eq!(run("attach", &database).await.unwrap(), expected("added"));
        let attached = schema(&sql).await;
        assert_ne!(attached, before);
        assert_eq!(
            run("attach", &database).await.unwrap(),
            ["The change feed is there already."]
        );
        assert_eq!(schema(&sql).await, attached);
        add_step(&sql, "heard").await;
        sql.run("DELETE FROM steps WHERE name = 'heard'").await;
        assert_eq!(
            run("detach", &database).await.unwrap(),
            reversed(expected("removed"))
        );
        assert_eq!(schema(&sql).await, before);
        assert_eq!(
            run("detach", &database).await.unwrap(),
            ["There is no change feed."]
        );
        assert_eq!(schema(&sql).await, before);
    }
}

#[tokio::test]
async fn a_masters_writes_become_events() {
    let (database, sql) = master().await;
    run("attach", &database).await.unwrap();
    let server = serve(&database, &["--anonymous", "write"]).await;
    let client = server.client();
    assert_eq!(ready(&server).await["feed"], "ok");
    let start = newest_cursor(&client).await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(&start)).await;
    let stepid = add_step(&sql, "compile").await;
    let mut received = vec![ws.event().await];
    for change in [
        "started_at = 1800000000",
        "locks_acquired_at = 1800000000",
        "state_string = 'compiling'",
        "complete_at = 1800000001, results = 2, hidden = 0",
    ] {
        sql.run(&format!("UPDATE steps SET {change} WHERE id = {stepid}"))
            .await;
        received.push(ws.event().await);
    }
    let kinds: Vec<&str> = received
        .iter()
        .map(|e| e["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["NEW", "STARTED", "UPDATED", "UPDATED", "FINISHED"]);
    for event in &received {
        assert_eq!(
            (&event["step"]["stepid"], &event["step"]["name"]),
            (&json!(stepid), &json!("compile"))
        );
    }
    assert_eq!(received[0]["step"]["stateString"], "pending");
    assert_eq!(received[3]["step"]["stateString"], "compiling");
    assert_eq!(received[4]["step"]["results"], "FAILURE");
    // The database is still the master's: the server writes nothing to it.
    crate::master::sqlite::read_only::try_mutations(&client).await;
    server.stop().await;
    // Another server resumes from any of the cursors and knows the current step.
    let server = serve(&database, &[]).await;
    let mut ws = server.ws().await;
    ws.subscribe(&after(received[1]["cursor"].as_str().unwrap()))
        .await;
    for event in &received[2..] {
        assert_eq!(ws.event().await, *event);
    }
    let mut ws = server.ws().await;
    ws.subscribe(&format!("(where: {{ stepid: {stepid} }}, snapshot: true)"))
        .await;
    let snapshot = ws.event().await;
    assert_eq!(
        (&snapshot["kind"], &snapshot["step"]),
        (&json!("SNAPSHOT"), &received[4]["step"])
    );
}

#[tokio::test]
async fn a_running_server_notices_attach_and_detach() {
    let (database, sql) = master().await;
    let server = serve(&database, &[]).await;
    let client = server.client();
    let mut ws = server.ws().await;
    ws.subscribe("").await;
    assert_eq!(ws.stream_error().await.0, "FEED_DETACHED");
    assert!(
        ready(&server).await["feed"]
            .as_str()
            .unwrap()
            .contains("attach")
    );
    let mut cursors = Vec::new();
    for name in ["a", "b"] {
        run("attach", &database).await.unwrap();
        let mut ws = subscribe_when_ready(&server, &client).await;
        add_step(&sql, name).await;
        let event = ws.event().await;
        assert_eq!(event["step"]["name"], name);
        assert_eq!(ready(&server).await["feed"], "ok");
        cursors.push(event["cursor"].as_str().unwrap().to_owned());
        run("detach", &database).await.unwrap();
        assert_eq!(ws.stream_error().await.0, "FEED_DETACHED");
        assert_ne!(ready(&server).await["feed"], "ok");
        let metrics = client.url.replace("/graphql", "/metrics");
        let metrics = reqwest::get(metrics).await.unwrap().text().await.unwrap();
        assert!(metrics.contains("feed_attached 0\n"), "{metrics}");
        // Queries still work.
        client
            .data("{ steps(first: 1) { nodes { name } } }", json!({}))
            .await;
    }
    run("attach", &database).await.unwrap();
    subscribe_when_ready(&server, &client).await;
    // A feed that was detached for a while has missed events.
    for cursor in cursors {
        let mut ws = server.ws().await;
        ws.subscribe(&after(&cursor)).await;
        assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED");
    }
}

/// `detach` takes the triggers first and the events then; a resumed subscription may come between.
#[tokio::test]
async fn a_cursor_is_not_called_expired_while_the_feed_is_taken_away() {
    let (database, sql) = master().await;
    run("attach", &database).await.unwrap();
    let server = serve(&database, &[]).await;
    let client = server.client();
    let mut ws = subscribe_when_ready(&server, &client).await;
    let mut cursors = Vec::new();
    for name in ["a", "b"] {
        add_step(&sql, name).await;
        cursors.push(ws.event().await["cursor"].as_str().unwrap().to_owned());
    }
    drop(ws);
    // It has no events in memory.
    let other = server.peer(&[]).await;
    wait_until(async || {
        other.client().execute("{ eventCursor }", json!({})).await["data"].is_object()
    })
    .await;
    sql.run(match kind() {
        Kind::Postgres => "DROP TRIGGER graphql_steps_update ON steps",
        _ => "DROP TRIGGER graphql_steps_update",
    })
    .await;
    sql.run("DELETE FROM graphql_events").await;
    let mut ws = other.ws().await;
    ws.subscribe(&after(&cursors[0])).await;
    assert_eq!(ws.stream_error().await.0, "FEED_DETACHED");
}

#[tokio::test]
async fn a_dropped_trigger_is_reported_and_repaired() {
    let (database, sql) = master().await;
    run("attach", &database).await.unwrap();
    let server = serve(&database, &[]).await;
    let client = server.client();
    let gone: &[&str] = match kind() {
        Kind::Postgres => &[
            "DROP TRIGGER graphql_steps_update ON steps",
            "ALTER TABLE steps DISABLE TRIGGER ALL",
        ],
        _ => &["DROP TRIGGER graphql_steps_update"],
    };
    for how in gone {
        let mut ws = subscribe_when_ready(&server, &client).await;
        let name = format!("s{}", how.len());
        add_step(&sql, &name).await;
        let cursor = ws.event().await["cursor"].as_str().unwrap().to_owned();
        sql.run(how).await;
        assert_eq!(ws.stream_error().await.0, "FEED_DETACHED", "{how}");
        let said = run("attach", &database).await.unwrap();
        // What else is recorded stays.
        let others = |line: &&String| !line.contains("graphql_steps_");
        assert_eq!(said.iter().find(others), None, "{said:?}");
        assert!(
            said.contains(&"added trigger graphql_steps_update".to_owned()),
            "{said:?}"
        );
        let mut ws = subscribe_when_ready(&server, &client).await;
        sql.run("UPDATE steps SET state_string = 'heard again' WHERE id = 1")
            .await;
        assert_eq!(ws.event().await["step"]["stateString"], "heard again");
        let mut ws = server.ws().await;
        ws.subscribe(&after(&cursor)).await;
        assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED");
    }
}

#[tokio::test]
async fn retention_drops_events_but_no_rows() {
    let (database, sql) = master().await;
    run("attach", &database).await.unwrap();
    let flags = ["--feed-keep-events", "3", "--feed-prune-seconds", "1"];
    let server = serve(&database, &flags).await;
    let client = server.client();
    let mut ws = subscribe_when_ready(&server, &client).await;
    let mut cursors = Vec::new();
    let steps = sql.number("SELECT COUNT(*) AS n FROM steps").await;
    for round in 0..3 {
        for i in 0..10 {
            add_step(&sql, &format!("s{round}{i}")).await;
            cursors.push(ws.event().await["cursor"].as_str().unwrap().to_owned());
        }
        wait_until(async || sql.number("SELECT COUNT(*) AS n FROM graphql_events").await <= 3)
            .await;
    }
    // Positions are neither repeated nor skipped.
    let positions: Vec<i64> = cursors
        .iter()
        .map(|c| i64::from_str_radix(&c[8..24], 16).unwrap())
        .collect();
    assert_eq!(positions, (1..=30).collect::<Vec<_>>());
    assert_eq!(
        sql.number("SELECT COUNT(*) AS n FROM steps").await,
        steps + 30
    );
    // Another server does not have these events in memory.
    let other = server.peer(&flags).await;
    let mut ws = other.ws().await;
    ws.subscribe(&after(&cursors[0])).await;
    assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED");
}
