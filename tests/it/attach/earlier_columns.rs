//! The feed of the version before there were events of logs: a server goes on beside it, and
//! `attach` adds what it lacks.

use serde_json::json;

use super::{add_step, master, ready, run, schema, serve, subscribe_when_ready};
use crate::{
    feed::newest_cursor,
    support::{
        database::{Kind, kind},
        outlast_readiness,
        sql::Sql,
        wait_until,
    },
};

const COLUMNS: [&str; 5] = ["logid", "slug", "complete", "num_lines", "type"];

/// Takes out of a feed what that version did not make.
async fn make_earlier(sql: &Sql) {
    for change in ["insert", "update"] {
        let name = format!("graphql_logs_{change}");
        sql.run(&match kind() {
            Kind::Postgres => format!("DROP TRIGGER {name} ON logs; DROP FUNCTION {name}()"),
            _ => format!("DROP TRIGGER {name}"),
        })
        .await;
    }
    for column in COLUMNS {
        sql.run(&format!("ALTER TABLE graphql_events DROP COLUMN {column}"))
            .await;
    }
    sql.run("UPDATE graphql_feed SET recorded = 7").await;
}

async fn add_log(sql: &Sql, slug: &str) {
    sql.run(&format!(
        "INSERT INTO logs (name, slug, stepid, complete, num_lines, type) \
         VALUES ('{slug}', '{slug}', 1, 0, 0, 's')"
    ))
    .await;
}

#[tokio::test]
async fn a_server_goes_on_beside_it_and_attach_adds_logs() {
    let (database, sql) = master().await;
    let before = schema(&sql).await;
    run("attach", &database).await.unwrap();
    make_earlier(&sql).await;
    let server = serve(&database, &[]).await;
    let client = server.client();
    let mut steps = subscribe_when_ready(&server, &client).await;
    add_step(&sql, "heard").await;
    assert_eq!(steps.event().await["step"]["name"], "heard");
    let start = newest_cursor(&client).await;
    // What was written meanwhile is replayed too.
    add_step(&sql, "replayed").await;
    assert_eq!(steps.event().await["step"]["name"], "replayed");
    let mut replayed = server.ws().await;
    replayed.subscribe(&crate::feed::after(&start)).await;
    assert_eq!(replayed.event().await["step"]["name"], "replayed");
    add_log(&sql, "unheard").await;
    let logs = format!(
        "events(after: {start:?}, where: {{ types: [LOG] }}) {{ kind ... on LogEvent {{ log {{ slug }} }} }}"
    );
    for field in [logs.as_str(), "events { kind }"] {
        let mut ws = server.ws().await;
        ws.subscribe_to(field).await;
        let refused = ws.receive_or_interruption().await;
        let refused = refused.map_or_else(|(code, _)| code, |message| message.to_string());
        assert!(refused.contains("FEED_DETACHED"), "{field}: {refused}");
    }
    let why = ready(&server).await["feed"].as_str().unwrap().to_owned();
    assert!(why.contains("changes of logs are not recorded"), "{why}");

    let said = run("attach", &database).await.unwrap();
    for part in [
        "columns of logs",
        "graphql_logs_insert",
        "graphql_logs_update",
    ] {
        assert!(
            said.iter().any(|line| line.contains(part)),
            "{part}: {said:?}"
        );
    }
    wait_until(async || {
        outlast_readiness().await;
        ready(&server).await["feed"] == "ok"
    })
    .await;
    // From before the gap logs cannot be resumed, and steps can.
    let mut ws = server.ws().await;
    ws.subscribe_to(&logs).await;
    assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED");
    let mut again = server.ws().await;
    again.subscribe(&crate::feed::after(&start)).await;
    assert_eq!(again.event().await["step"]["name"], "replayed");
    let now = newest_cursor(&client).await;
    let mut ws = server.ws().await;
    ws.subscribe_to(&format!(
        "events(after: {now:?}, where: {{ types: [LOG] }}) {{ kind ... on LogEvent {{ log {{ slug }} }} }}"
    ))
    .await;
    assert_eq!(ws.event().await["kind"], "CAUGHT_UP");
    add_log(&sql, "heard").await;
    assert_eq!(
        ws.event().await,
        json!({ "kind": "NEW", "log": { "slug": "heard" } })
    );
    add_step(&sql, "to-the-end").await;
    assert_eq!(steps.event().await["step"]["name"], "to-the-end");
    assert_eq!(run("attach", &database).await.unwrap().len(), 1);
    server.stop().await;
    run("detach", &database).await.unwrap();
    assert_eq!(schema(&sql).await, before);
}

#[tokio::test]
async fn an_earlier_feed_is_detached_without_a_trace() {
    let (database, sql) = master().await;
    let before = schema(&sql).await;
    run("attach", &database).await.unwrap();
    make_earlier(&sql).await;
    run("detach", &database).await.unwrap();
    assert_eq!(schema(&sql).await, before);
}
