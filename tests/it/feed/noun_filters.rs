//! Which events of builders, builds and steps a filter passes, live and replayed.

use crate::{
    feed::{
        newest_cursor, next_events,
        nouns::{briefs, hear, history, mutate},
    },
    support::server::Server,
};

#[tokio::test]
async fn filters_pass_what_they_say() {
    let server = Server::start().await;
    let client = server.client();
    let start = newest_cursor(&client).await;
    history(&client).await;
    client.add_build("windows").await;
    client.new_step(3, "compile").await;
    mutate(
        &client,
        r#"updateBuilderInfo(builderid: 2, tags: ["slow", "desktop"]) { cursor }"#,
    )
    .await;
    let all = [
        "BuilderEvent NEW 1",
        "BuildEvent NEW 1",
        "StepEvent NEW 1",
        "BuildEvent NEW 2",
        "StepEvent NEW 2",
        "StepEvent FINISHED 2",
        "BuildEvent FINISHED 2",
        "BuilderEvent NEW 2",
        "BuildEvent NEW 3",
        "StepEvent NEW 3",
        // Its row and two tags.
        "BuilderEvent UPDATED 2",
        "BuilderEvent UPDATED 2",
        "BuilderEvent UPDATED 2",
    ];
    let cases: [(&str, &[usize]); 14] = [
        ("", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        ("types: [BUILDER]", &[0, 7, 10, 11, 12]),
        ("types: [STEP, BUILD]", &[1, 2, 3, 4, 5, 6, 8, 9]),
        ("types: BUILD", &[1, 3, 6, 8]),
        ("builderid: 1", &[0, 1, 2, 3, 4, 5, 6]),
        ("builderName: \"windows\"", &[7, 8, 9, 10, 11, 12]),
        ("tag: \"desktop\"", &[7, 8, 9, 10, 11, 12]),
        ("tag: \"desktop\", builderName: \"linux\"", &[]),
        ("tag: \"none\"", &[]),
        ("buildid: 2", &[3, 4, 5, 6]),
        ("kinds: [FINISHED]", &[5, 6]),
        // A builder is neither complete nor not.
        ("complete: true", &[0, 5, 6, 7, 10, 11, 12]),
        ("complete: false, types: [BUILD, STEP]", &[1, 2, 3, 4, 8, 9]),
        ("hidden: true, types: [BUILD, STEP]", &[1, 3, 6, 8]),
    ];
    for (filter, passed) in cases {
        let mut expected: Vec<&str> = passed.iter().map(|n| all[*n]).collect();
        expected.push("CaughtUp CAUGHT_UP");
        let arguments = format!("(after: {start:?}, where: {{ {filter} }})");
        let mut ws = hear(&server, &arguments).await;
        assert_eq!(briefs(&mut ws, expected.len()).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn results_and_completion_are_filtered_alike_live_and_replayed() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let start = newest_cursor(&client).await;
    let field = |arguments: &str| {
        format!("buildEvents{arguments} {{ cursor kind build {{ complete results }} }}")
    };
    let cases = [
        ("results: { eq: FAILURE }", 1),
        ("results: { notIn: [SUCCESS] }", 1),
        ("results: { isNull: true }", 1),
        ("results: { isNull: false }", 2),
        ("results: { eq: null }", 0),
        ("complete: true, results: { in: [SUCCESS, FAILURE] }", 2),
        ("complete: false", 1),
    ];
    let mut live = Vec::new();
    for (filter, _) in cases {
        let mut ws = server.ws().await;
        ws.subscribe_to(&field(&format!(
            "(after: {start:?}, where: {{ {filter} }})"
        )))
        .await;
        live.push(ws);
    }
    let updates = [
        format!(r#"setBuildStateString(buildid: {build}, stateString: "x") {{ cursor }}"#),
        format!("finishBuild(buildid: {build}, results: SUCCESS) {{ cursor }}"),
        format!("finishBuild(buildid: {build}, results: FAILURE) {{ cursor }}"),
    ];
    for update in &updates {
        mutate(&client, update).await;
    }
    for (mut ws, (filter, count)) in live.into_iter().zip(cases) {
        let heard = next_events(&mut ws, count).await;
        let mut again = server.ws().await;
        again
            .subscribe_to(&field(&format!(
                "(after: {start:?}, where: {{ {filter} }})"
            )))
            .await;
        assert_eq!(next_events(&mut again, count).await, heard, "{filter}");
        for ws in [&mut ws, &mut again] {
            assert!(ws.is_silent().await, "{filter}");
        }
    }
}

/// A subscriber hears of a builder from when it has the tag, and no longer once it has lost it.
#[tokio::test]
async fn tags_are_those_of_the_moment() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let tags = |tags: &str| format!("updateBuilderInfo(builderid: 1, tags: [{tags}]) {{ cursor }}");
    let mut ws = server.ws().await;
    let start = newest_cursor(&client).await;
    let field = format!(
        "buildEvents(after: {start:?}, where: {{ tag: \"slow\" }}) {{ kind build {{ stateString }} }}"
    );
    ws.subscribe_to(&field).await;
    assert!(ws.is_silent().await);
    let state = |text: &str| {
        format!(r#"setBuildStateString(buildid: {build}, stateString: "{text}") {{ cursor }}"#)
    };
    mutate(&client, &state("before")).await;
    // Heard by nobody who asks for the tag: so the event was read before the tag came.
    let mut all = server.ws().await;
    all.subscribe_to(&format!(
        "buildEvents(after: {start:?}) {{ build {{ stateString }} }}"
    ))
    .await;
    assert_eq!(all.event().await["build"]["stateString"], "before");
    assert!(ws.is_silent().await);
    mutate(&client, &tags("\"slow\", \"b\"")).await;
    mutate(&client, &state("while")).await;
    assert_eq!(ws.event().await["build"]["stateString"], "while");
    mutate(&client, &tags("\"b\"")).await;
    mutate(&client, &state("after")).await;
    assert!(ws.is_silent().await);
    // The same for one who comes when the tags have changed while nobody asked for any.
    drop(ws);
    mutate(&client, &tags("\"slow\"")).await;
    mutate(&client, &state("unasked")).await;
    while all.event().await["build"]["stateString"] != "unasked" {}
    let now = newest_cursor(&client).await;
    let mut ws = server.ws().await;
    ws.subscribe_to(&field.replace(&start, &now)).await;
    assert!(ws.is_silent().await);
    mutate(&client, &state("asked")).await;
    assert_eq!(ws.event().await["build"]["stateString"], "asked");
}

#[tokio::test]
async fn a_filter_that_can_never_match_is_refused() {
    let server = Server::start().await;
    let client = server.client();
    for (field, message) in [
        (
            "events(where: { types: [] })",
            "where.types: at least one type, got []; without types, events of all types are sent",
        ),
        (
            "events(where: { kinds: [] })",
            "where.kinds: at least one kind, got []; without kinds, changes of all kinds are sent",
        ),
        (
            "buildEvents(where: { kinds: [] })",
            "where.kinds: at least one kind, got []; without kinds, changes of all kinds are sent",
        ),
    ] {
        let mut ws = server.ws().await;
        ws.subscribe_to(&format!("{field} {{ cursor }}")).await;
        let refused = ws.receive().await;
        assert_eq!(refused["type"], "error", "{field}");
        let error = &refused["payload"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
        assert_eq!(error["message"], message);
    }
    let cursor = newest_cursor(&client).await;
    let mut ws = hear(&server, &format!("(after: {cursor:?}, snapshot: true)")).await;
    assert_eq!(ws.stream_error().await.0, "BAD_USER_INPUT");
}
