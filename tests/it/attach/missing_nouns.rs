//! Triggers of one noun are missing, as after an upgrade of Buildbot: the rest goes on.

use serde_json::json;

use super::{add_step, master, ready, run, serve, subscribe_when_ready};
use crate::{
    feed::{after, newest_cursor},
    observability::metrics::samples,
    support::{
        database::{Kind, kind},
        server::Server,
        sql::Sql,
        wait_until,
    },
};

const BUILD: &str = "{ cursor kind build { buildid stateString } }";

fn drop_build_triggers() -> &'static str {
    match kind() {
        Kind::Postgres => "DROP TRIGGER graphql_builds_update ON builds",
        _ => "DROP TRIGGER graphql_builds_update",
    }
}

async fn set_state(sql: &Sql, text: &str) {
    sql.run(&format!(
        "UPDATE builds SET state_string = '{text}' WHERE id = 1"
    ))
    .await;
}

/// Whether subscriptions to builds are served.
async fn hears_builds(server: &Server) -> bool {
    let samples = samples(&server.client()).await;
    samples["feed_recorded{noun=\"builds\"}"] > 0.5
}

#[tokio::test]
async fn a_noun_without_triggers_is_named_and_the_rest_goes_on() {
    let (database, sql) = master().await;
    run("attach", &database).await.unwrap();
    let server = serve(&database, &[]).await;
    let client = server.client();
    let mut steps = subscribe_when_ready(&server, &client).await;
    let start = newest_cursor(&client).await;
    let mut builds = server.ws().await;
    builds
        .subscribe_to(&format!("buildEvents(after: {start:?}) {BUILD}"))
        .await;
    let mut all = server.ws().await;
    all.subscribe_to(&format!("events(after: {start:?}) {{ kind }}"))
        .await;
    assert_eq!(all.event().await["kind"], "CAUGHT_UP");
    set_state(&sql, "heard").await;
    assert_eq!(builds.event().await["build"]["stateString"], "heard");
    assert_eq!(all.event().await["kind"], "UPDATED");

    sql.run(drop_build_triggers()).await;
    for ws in [&mut builds, &mut all] {
        assert_eq!(ws.stream_error().await.0, "FEED_DETACHED");
    }
    set_state(&sql, "unheard").await;
    add_step(&sql, "goes-on").await;
    assert_eq!(steps.event().await["step"]["name"], "goes-on");
    let why = "changes of builds are not recorded in this Buildbot database, as after an upgrade of Buildbot: \
         run `buildbot-graphql attach` to record them again";
    assert_eq!(ready(&server).await["feed"], format!("detached: {why}"));
    assert!(!hears_builds(&server).await);
    for field in [
        "buildEvents { cursor }",
        "events { cursor }",
        "events(where: { types: [BUILD] }) { cursor }",
    ] {
        let mut ws = server.ws().await;
        ws.subscribe_to(field).await;
        let refused = ws.receive_or_interruption().await;
        let refused = refused.map_or_else(|(code, _)| code, |message| message.to_string());
        assert!(refused.contains("FEED_DETACHED"), "{field}: {refused}");
    }
    let mut rest = server.ws().await;
    let types = "types: [BUILDER, STEP]";
    rest.subscribe_to(&format!(
        "events(after: {start:?}, where: {{ {types} }}) {{ kind }}"
    ))
    .await;
    assert_eq!(rest.event().await["kind"], "NEW");

    let said = run("attach", &database).await.unwrap();
    assert!(
        said.iter().all(|line| line.contains(" graphql_builds_")),
        "{said:?}"
    );
    wait_until(async || hears_builds(&server).await).await;
    assert_eq!(ready(&server).await["feed"], "ok");
    // From before the gap, builds cannot be resumed, and steps can.
    for field in ["buildEvents", "events"] {
        let mut ws = server.ws().await;
        ws.subscribe_to(&format!("{field}(after: {start:?}) {{ cursor }}"))
            .await;
        assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED", "{field}");
    }
    let mut again = server.ws().await;
    again.subscribe(&after(&start)).await;
    assert_eq!(again.event().await["step"]["name"], "goes-on");
    let now = newest_cursor(&client).await;
    let mut builds = server.ws().await;
    builds
        .subscribe_to(&format!("buildEvents(after: {now:?}) {BUILD}"))
        .await;
    set_state(&sql, "heard again").await;
    assert_eq!(builds.event().await["build"]["stateString"], "heard again");
    add_step(&sql, "to-the-end").await;
    assert_eq!(steps.event().await["step"]["name"], "to-the-end");
}

/// The triggers vanish and are put back while no server looks: a subscriber that comes back is
/// told all the same, and one that hears live.
#[tokio::test]
async fn a_gap_that_nobody_saw_is_told() {
    let (database, sql) = master().await;
    run("attach", &database).await.unwrap();
    let server = serve(&database, &[]).await;
    let client = server.client();
    let _ = subscribe_when_ready(&server, &client).await;
    let start = newest_cursor(&client).await;
    server.stop().await;
    sql.run(drop_build_triggers()).await;
    set_state(&sql, "unheard").await;
    run("attach", &database).await.unwrap();
    set_state(&sql, "heard").await;
    let server = serve(&database, &[]).await;
    let mut builds = server.ws().await;
    builds
        .subscribe_to(&format!("buildEvents(after: {start:?}) {BUILD}"))
        .await;
    assert_eq!(builds.stream_error().await.0, "CURSOR_EXPIRED");
    let mut builders = server.ws().await;
    let types = "where: { types: [BUILDER] }";
    builders
        .subscribe_to(&format!("events(after: {start:?}, {types}) {{ kind }}"))
        .await;
    assert_eq!(builders.event().await["kind"], "CAUGHT_UP");
}

/// A gap ends the live subscriptions to its noun where it stands, and no others.
#[tokio::test]
async fn a_live_subscriber_is_told_at_the_gap() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    let start = newest_cursor(&client).await;
    let (mut builds, mut steps) = (server.ws().await, server.ws().await);
    builds
        .subscribe_to(&format!("buildEvents(after: {start:?}) {BUILD}"))
        .await;
    steps.subscribe(&after(&start)).await;
    let finish =
        format!("mutation {{ finishBuild(buildid: {build}, results: SUCCESS) {{ cursor }} }}");
    client.data(&finish, json!({})).await;
    let sql = server.sql().await;
    sql.run("INSERT INTO graphql_events (noun, kind, occurred_at) VALUES (2, 5, 0)")
        .await;
    client.data(&finish, json!({})).await;
    client.set_state(step, "on").await;
    assert_eq!(builds.event().await["kind"], "FINISHED");
    assert_eq!(builds.stream_error().await.0, "CURSOR_EXPIRED");
    assert_eq!(steps.event().await["step"]["stateString"], "on");
}
