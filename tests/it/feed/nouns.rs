//! Builders, builds and steps in one feed: their events, their order, and what filters pass.

use serde_json::{Value, json};

use crate::{
    feed::{newest_cursor, next_events},
    support::{client::Client, server::Server, ws::Ws},
};

/// What these tests ask of each event.
const EVENT: &str = "__typename cursor kind \
     ... on BuilderEvent { builder { builderid name tags } } \
     ... on BuildEvent { build { buildid number stateString complete results } } \
     ... on StepEvent { step { stepid buildid stateString } }";

/// A socket that hears `events` with these arguments.
pub(super) async fn hear(server: &Server, arguments: &str) -> Ws {
    let mut ws = server.ws().await;
    ws.subscribe_to(&format!("events{arguments} {{ {EVENT} }}"))
        .await;
    ws
}

/// A short form of an event: its type, kind and object's id.
fn brief(event: &Value) -> String {
    let id = ["builder", "build", "step"]
        .iter()
        .find_map(|noun| event[*noun][format!("{noun}id")].as_i64());
    let id = id.map(|id| format!(" {id}")).unwrap_or_default();
    let kind = event["kind"].as_str().unwrap();
    format!("{} {kind}{id}", event["__typename"].as_str().unwrap())
}

pub(super) async fn briefs(ws: &mut Ws, count: usize) -> Vec<String> {
    next_events(ws, count).await.iter().map(brief).collect()
}

pub(super) async fn mutate(client: &Client, field: &str) -> Value {
    let mut data = client
        .data(&format!("mutation {{ it: {field} }}"), json!({}))
        .await;
    data["it"].take()
}

/// Adds a builder with two builds, of which the second is finished, and a step each.
pub(super) async fn history(client: &Client) {
    let build = client.add_build("linux").await;
    client.new_step(build, "compile").await;
    let build = client.add_build("linux").await;
    client.new_step(build, "compile").await;
    mutate(client, "finishStep(stepid: 2, results: SUCCESS) { cursor }").await;
    mutate(
        client,
        "finishBuild(buildid: 2, results: FAILURE) { cursor }",
    )
    .await;
}

#[tokio::test]
async fn each_update_of_a_build_makes_one_event_with_the_updated_build() {
    let server = Server::start().await;
    let client = server.client();
    client.add_build("b").await;
    let start = newest_cursor(&client).await;
    let build = "cursor build { buildid number stateString complete results }";
    let updates = [
        ("NEW", format!("addBuild(builderid: 1) {{ {build} }}")),
        (
            "UPDATED",
            format!(r#"setBuildStateString(buildid: 2, stateString: "busy") {{ {build} }}"#),
        ),
        // The same again is still an update, and a finish still a finish.
        (
            "UPDATED",
            format!(r#"setBuildStateString(buildid: 2, stateString: "busy") {{ {build} }}"#),
        ),
        (
            "FINISHED",
            format!("finishBuild(buildid: 2, results: FAILURE) {{ {build} }}"),
        ),
        (
            "FINISHED",
            format!("finishBuild(buildid: 2, results: FAILURE) {{ {build} }}"),
        ),
        (
            "UPDATED",
            format!(r#"setBuildStateString(buildid: 2, stateString: "late") {{ {build} }}"#),
        ),
    ];
    let query = format!(
        "buildEvents(after: {start:?}) {{ cursor kind build {{ buildid number stateString complete results }} }}"
    );
    let mut live = server.ws().await;
    live.subscribe_to(&query).await;
    let mut told = Vec::new();
    for (kind, field) in &updates {
        let payload = mutate(&client, field).await;
        told.push(json!({ "cursor": payload["cursor"], "kind": kind, "build": payload["build"] }));
    }
    let mut replayed = server.ws().await;
    replayed.subscribe_to(&query).await;
    for ws in [&mut live, &mut replayed] {
        assert_eq!(next_events(ws, updates.len()).await, told);
    }
    assert_eq!(told[3]["build"]["results"], "FAILURE");
    assert_eq!(told[3]["build"]["complete"], true);
}

#[tokio::test]
async fn a_snapshot_sends_parents_first_and_says_where_it_ends() {
    let server = Server::start().await;
    let client = server.client();
    history(&client).await;
    let newest = newest_cursor(&client).await;
    let mut ws = hear(&server, "(snapshot: true)").await;
    let shown = next_events(&mut ws, 6).await;
    assert_eq!(
        shown.iter().map(brief).collect::<Vec<_>>(),
        [
            "BuilderEvent SNAPSHOT 1",
            "BuildEvent SNAPSHOT 1",
            "BuildEvent SNAPSHOT 2",
            "StepEvent SNAPSHOT 1",
            "StepEvent SNAPSHOT 2",
            "CaughtUp CAUGHT_UP",
        ]
    );
    for event in &shown {
        assert_eq!(event["cursor"], newest.as_str());
    }
    client.add_build("windows").await;
    assert_eq!(
        briefs(&mut ws, 2).await,
        ["BuilderEvent NEW 2", "BuildEvent NEW 3"]
    );
    // What runs now.
    let running = "(snapshot: true, where: { complete: false, types: [BUILD, STEP] })";
    let mut ws = hear(&server, running).await;
    assert_eq!(
        briefs(&mut ws, 4).await,
        [
            "BuildEvent SNAPSHOT 1",
            "BuildEvent SNAPSHOT 3",
            "StepEvent SNAPSHOT 1",
            "CaughtUp CAUGHT_UP"
        ]
    );
}

/// With pages of a few objects, so that nouns share a page and fill several.
#[tokio::test]
async fn a_long_snapshot_passes_from_noun_to_noun() {
    let flags = ["--anonymous", "write", "--feed-queue-bytes", "12000"];
    let server = Server::with_flags(&flags).await;
    let client = server.client();
    for builder in ["a", "b", "c"] {
        for _ in 0..40 {
            let build = client.add_build(builder).await;
            client.new_step(build, "s").await;
        }
    }
    let mut ws = hear(&server, "(snapshot: true)").await;
    let mut expected = Vec::new();
    for (noun, count) in [("Builder", 3), ("Build", 120), ("Step", 120)] {
        expected.extend((1..=count).map(|id| format!("{noun}Event SNAPSHOT {id}")));
    }
    expected.push("CaughtUp CAUGHT_UP".to_owned());
    assert_eq!(briefs(&mut ws, expected.len()).await, expected);
    let of_b = "(snapshot: true, where: { builderName: \"b\" })";
    let mut ws = hear(&server, of_b).await;
    let shown = briefs(&mut ws, 82).await;
    assert_eq!(shown[0], "BuilderEvent SNAPSHOT 2");
    assert_eq!(shown[1], "BuildEvent SNAPSHOT 41");
    assert_eq!(shown[80], "StepEvent SNAPSHOT 80");
    assert_eq!(shown[81], "CaughtUp CAUGHT_UP");
}

#[tokio::test]
async fn a_replay_ends_with_one_caught_up_and_a_live_stream_has_none() {
    let server = Server::start().await;
    let client = server.client();
    let start = newest_cursor(&client).await;
    history(&client).await;
    let newest = newest_cursor(&client).await;
    let mut ws = hear(&server, &format!("(after: {start:?})")).await;
    assert_eq!(
        briefs(&mut ws, 8).await,
        [
            "BuilderEvent NEW 1",
            "BuildEvent NEW 1",
            "StepEvent NEW 1",
            "BuildEvent NEW 2",
            "StepEvent NEW 2",
            "StepEvent FINISHED 2",
            "BuildEvent FINISHED 2",
            "CaughtUp CAUGHT_UP",
        ]
    );
    // An empty one too, also where nothing matches and whatever kinds are asked for.
    for arguments in [
        format!("(after: {newest:?})"),
        format!("(after: {start:?}, where: {{ buildid: 9 }})"),
        format!("(after: {start:?}, where: {{ kinds: [STARTED] }})"),
        "(snapshot: true, where: { buildid: 9 })".to_owned(),
    ] {
        let mut ws = hear(&server, &arguments).await;
        assert_eq!(
            briefs(&mut ws, 1).await,
            ["CaughtUp CAUGHT_UP"],
            "{arguments}"
        );
        client.set_state(1, "next").await;
    }
    // Asked for on its own, it is all that comes; of a live stream nothing is caught up with.
    let mut ws = hear(&server, "(where: { kinds: [CAUGHT_UP, FINISHED] })").await;
    let finish = "finishBuild(buildid: 1, results: SUCCESS) { cursor }";
    loop {
        mutate(&client, finish).await;
        let heard = tokio::time::timeout(std::time::Duration::from_millis(200), ws.event()).await;
        if let Ok(event) = heard {
            assert_eq!(brief(&event), "BuildEvent FINISHED 1");
            break;
        }
    }
}

/// A builder is read with its event: one that is gone by then cannot be shown.
#[tokio::test]
async fn an_event_of_a_builder_that_is_gone_says_so() {
    let server = Server::start().await;
    let client = server.client();
    let start = newest_cursor(&client).await;
    client.add_build("gone").await;
    server.sql().await.run("DELETE FROM builds").await;
    server.sql().await.run("DELETE FROM builders").await;
    let mut ws = hear(&server, &format!("(after: {start:?})")).await;
    let message = ws.receive().await;
    let error = &message["payload"]["errors"][0];
    assert_eq!(error["extensions"]["code"], "NOT_FOUND", "{message:#}");
    assert_eq!(error["message"], "there is no builder 1");
    // The stream goes on.
    assert_eq!(
        briefs(&mut ws, 2).await,
        ["BuildEvent NEW 1", "CaughtUp CAUGHT_UP"]
    );
}
