//! Which events a filter passes, by backfill and live, alone and combined.

use serde_json::{Value, json};

use crate::{
    feed::{after, newest_cursor},
    support::{client::Client, server::Server, ws::Ws},
};

const FIELDS: &str = "cursor kind step { stepid buildid number name hidden build { builderid } }";

async fn subscribe(ws: &mut Ws, id: &str, arguments: &str) {
    let query = format!("subscription {{ stepEvents{arguments} {{ {FIELDS} }} }}");
    ws.send(json!({ "id": id, "type": "subscribe", "payload": { "query": query } }))
        .await;
}

/// Makes changes of which every filter in this test passes some, and returns their number.
async fn change(client: &Client, builds: &[i64]) -> usize {
    let mut changes = 0;
    for build in builds {
        for (name, hidden) in [("compile", false), ("test", true)] {
            let (stepid, _) = client.new_step(*build, name).await;
            client.set_state(stepid, "busy").await;
            let query = format!(
                "mutation {{ startStep(stepid: {stepid}) {{ cursor }} \
                 finishStep(stepid: {stepid}, results: SUCCESS, hidden: {hidden}) {{ cursor }} }}"
            );
            client.data(&query, json!({})).await;
            // The filter knows the first round's step by its id.
            client.set_state(1, "again").await;
            changes += 5;
        }
    }
    changes
}

type Condition = (&'static str, fn(&Value) -> bool);

fn builderid(event: &Value) -> &Value {
    &event["step"]["build"]["builderid"]
}

const CONDITIONS: [Condition; 16] = [
    ("", |_| true),
    ("builderid: 2", |e| *builderid(e) == 2),
    ("buildid: 2", |e| e["step"]["buildid"] == 2),
    ("stepid: 1", |e| e["step"]["stepid"] == 1),
    (r#"nameOrNumber: "test""#, |e| e["step"]["name"] == "test"),
    ("nameOrNumber: 1", |e| e["step"]["number"] == 1),
    (r#"nameOrNumber: "1""#, |e| e["step"]["number"] == 1),
    ("kinds: [NEW]", |e| e["kind"] == "NEW"),
    ("kinds: STARTED", |e| e["kind"] == "STARTED"),
    ("kinds: [FINISHED, UPDATED]", |e| {
        e["kind"] == "FINISHED" || e["kind"] == "UPDATED"
    }),
    ("hidden: true", |e| e["step"]["hidden"] == true),
    ("hidden: false", |e| e["step"]["hidden"] == false),
    ("builderid: 1, kinds: [FINISHED]", |e| {
        *builderid(e) == 1 && e["kind"] == "FINISHED"
    }),
    (r#"buildid: 3, nameOrNumber: "compile""#, |e| {
        e["step"]["buildid"] == 3 && e["step"]["name"] == "compile"
    }),
    (
        r#"builderid: 1, buildid: 3, nameOrNumber: "test", kinds: [FINISHED, NEW], hidden: true"#,
        |e| {
            e["step"]["buildid"] == 3
                && e["step"]["name"] == "test"
                && e["kind"] == "FINISHED"
                && e["step"]["hidden"] == true
        },
    ),
    ("stepid: 1, buildid: null, kinds: null, hidden: null", |e| {
        e["step"]["stepid"] == 1
    }),
];

#[tokio::test]
async fn a_filter_passes_matching_events_only() {
    let server = Server::start().await;
    let client = server.client();
    let mut builds = Vec::new();
    for builder in ["one", "two", "one"] {
        builds.push(client.add_build(builder).await);
    }
    let start = newest_cursor(&client).await;
    let mut changes = change(&client, &builds).await;
    let mut sockets = Vec::new();
    for (condition, _) in CONDITIONS {
        let mut ws = server.ws().await;
        let arguments = format!("(after: {start:?}, where: {{ {condition} }})");
        subscribe(&mut ws, "1", &arguments).await;
        sockets.push(ws);
    }
    // Two more rounds: an event wrongly passed after the last correct one would precede it in an
    // earlier round.
    changes += change(&client, &builds).await;
    changes += change(&client, &builds).await;
    let mut all = Vec::new();
    for _ in 0..changes {
        all.push(sockets[0].event().await);
    }
    for ((condition, passes), ws) in CONDITIONS.iter().zip(&mut sockets).skip(1) {
        let expected: Vec<&Value> = all.iter().filter(|e| passes(e)).collect();
        assert!(
            !expected.is_empty() && expected.len() < all.len(),
            "{condition}"
        );
        for event in expected {
            assert_eq!(ws.event().await, *event, "{condition}");
        }
    }
}

#[tokio::test]
async fn a_filter_that_matches_nothing_receives_nothing() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("one").await;
    let start = newest_cursor(&client).await;
    let (stepid, _) = client.new_step(build, "s").await;
    for condition in [
        "builderid: 99",
        "buildid: 99",
        "stepid: 99",
        r#"nameOrNumber: "other""#,
        "nameOrNumber: 99",
        // Only a requested snapshot has such events.
        "kinds: [SNAPSHOT]",
        "hidden: true",
        "builderid: 1, buildid: 1, stepid: 99",
    ] {
        let mut ws = server.ws().await;
        let deaf = format!("(after: {start:?}, where: {{ {condition} }})");
        subscribe(&mut ws, "deaf", &deaf).await;
        subscribe(&mut ws, "witness", &after(&start)).await;
        // The witness shares the socket: any event of the other subscription would arrive before or
        // between the witness's events.
        for _ in 0..20 {
            let written = client.set_state(stepid, "busy").await;
            loop {
                let message = ws.receive().await;
                assert_eq!(message["id"], "witness", "{condition}: {message:#}");
                if message["payload"]["data"]["stepEvents"]["cursor"] == written.as_str() {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn an_empty_list_of_kinds_is_refused() {
    let server = Server::start().await;
    let mut ws = server.ws().await;
    for arguments in [
        "(where: { kinds: [] })",
        "(snapshot: true, where: { stepid: 1, kinds: [] })",
    ] {
        ws.subscribe(arguments).await;
        let message = ws.receive().await;
        assert_eq!(message["type"], "error", "{message:#}");
        let error = &message["payload"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error:#}");
        let text = error["message"].as_str().unwrap();
        assert!(
            text.starts_with("where.kinds: ") && text.contains("got []"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_builder_filter_covers_builds_made_before_and_after() {
    let server = Server::start().await;
    let client = server.client();
    let before = client.add_build("one").await;
    let (ours, _) = client.new_step(before, "s").await;
    let start = newest_cursor(&client).await;
    let mut ws = server.ws().await;
    let arguments = format!("(after: {start:?}, where: {{ builderid: 1 }})");
    subscribe(&mut ws, "1", &arguments).await;
    client.set_state(ours, "first").await;
    assert_eq!(ws.event().await["step"]["buildid"], before);
    let other = client.add_build("two").await;
    client.new_step(other, "s").await;
    let since = client.add_build("one").await;
    let (stepid, cursor) = client.new_step(since, "s").await;
    let event = ws.event().await;
    assert_eq!(event["cursor"], cursor.as_str());
    assert_eq!(event["step"]["stepid"], stepid);
    assert_eq!(event["step"]["build"]["builderid"], 1);
}

#[tokio::test]
async fn a_snapshot_ignores_the_filter_of_kinds() {
    let server = Server::start().await;
    let client = server.client();
    let mut builds = Vec::new();
    for builder in ["one", "two", "one"] {
        builds.push(client.add_build(builder).await);
    }
    change(&client, &builds).await;
    let mut all = server.ws().await;
    subscribe(&mut all, "1", "(snapshot: true)").await;
    let mut steps = Vec::new();
    for _ in 0..6 {
        steps.push(all.event().await);
    }
    let conditions = CONDITIONS.iter().filter(|(c, _)| !c.contains("kinds"));
    for (condition, passes) in conditions {
        let mut ws = server.ws().await;
        let arguments = format!("(snapshot: true, where: {{ {condition} kinds: [FINISHED] }})");
        subscribe(&mut ws, "1", &arguments).await;
        for expected in steps.iter().filter(|e| passes(e)) {
            let event = ws.event().await;
            assert_eq!(event["kind"], "SNAPSHOT", "{condition}");
            assert_eq!(event["step"], expected["step"], "{condition}");
        }
        // Every step finishes once more: the snapshot has ended, and the kind filters the live
        // events.
        for stepid in 1..=6 {
            let hidden = stepid % 2 == 0;
            let query = format!(
                "mutation {{ startStep(stepid: {stepid}) {{ cursor }} \
                 finishStep(stepid: {stepid}, results: SUCCESS, hidden: {hidden}) {{ cursor }} }}"
            );
            client.data(&query, json!({})).await;
        }
        let next = ws.event().await;
        assert!(
            next["kind"] == "FINISHED" && passes(&next),
            "{condition}: {next:#}"
        );
    }
}
