//! The lines that are written where there is no terminal.

use std::process::Stdio;

use serde_json::json;

use super::{Watch, change_step, finish_build, watch};
use crate::support::server::Server;

#[tokio::test]
async fn a_builds_life_is_a_line_for_each_change() {
    let server = Server::start().await;
    let client = server.client();
    let running = client.add_build("a").await;
    let mut watch = Watch::start(server.address, &[]);
    watch.expect("a 1 - - SNAPSHOT - created").await;

    let build = client.add_build("b c").await;
    watch.expect("b c 1 - - NEW - created").await;
    let (step, _) = client.new_step(build, "compile").await;
    watch.expect("b c 1 0 compile NEW - pending").await;
    change_step(&client, "startStep", step, "").await;
    watch.expect("b c 1 0 compile STARTED - pending").await;
    client.set_state(step, "compiling 1 of 2").await;
    watch
        .expect("b c 1 0 compile UPDATED - compiling 1 of 2")
        .await;
    // No line shows links.
    change_step(
        &client,
        "addStepURL",
        step,
        ", name: \"log\", url: \"http://x/\"",
    )
    .await;
    change_step(&client, "finishStep", step, ", results: WARNINGS").await;
    watch
        .expect("b c 1 0 compile FINISHED WARNINGS compiling 1 of 2")
        .await;
    finish_build(&client, build, "SUCCESS").await;
    watch.expect("b c 1 - - FINISHED SUCCESS created").await;
    // The other one is still there.
    finish_build(&client, running, "CANCELLED").await;
    watch.expect("a 1 - - FINISHED CANCELLED created").await;
}

#[tokio::test]
async fn a_builder_and_a_build_can_be_chosen() {
    let server = Server::start().await;
    let client = server.client();
    let first = client.add_build("b").await;
    let second = client.add_build("b").await;
    let other = client.add_build("other").await;
    let (old, _) = client.new_step(first, "old").await;
    change_step(&client, "finishStep", old, ", results: FAILURE").await;
    finish_build(&client, first, "FAILURE").await;
    let (now, _) = client.new_step(second, "now").await;

    let mut builder = Watch::start(server.address, &["--builder", "b"]);
    builder.expect("b 1 - - SNAPSHOT FAILURE created").await;
    builder.expect("b 2 - - SNAPSHOT - created").await;
    builder.expect("b 2 0 now SNAPSHOT - pending").await;
    let mut build = Watch::start(server.address, &["--builder", "b", "--build", "1"]);
    build.expect("b 1 - - SNAPSHOT FAILURE created").await;
    build.expect("b 1 0 old SNAPSHOT FAILURE pending").await;

    client.new_step(other, "unseen").await;
    client.set_state(now, "seen by one").await;
    client.set_state(old, "seen by both").await;
    builder.expect("b 2 0 now UPDATED - seen by one").await;
    builder
        .expect("b 1 0 old UPDATED FAILURE seen by both")
        .await;
    build.expect("b 1 0 old UPDATED FAILURE seen by both").await;
}

#[tokio::test]
async fn control_characters_are_escaped() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let set = "mutation($b: Int!, $t: String!) { setBuildStateString(buildid: $b, stateString: $t) { cursor } }";
    let text = "\u{1b}[2Jred\r\n\ttab \u{202e}\u{9b}1m \\ é";
    client.data(set, json!({ "b": build, "t": text })).await;
    let expected = r"\u{1b}[2Jred\r\n\ttab \u{202e}\u{9b}1m \ é";
    let mut watch = Watch::start(server.address, &[]);
    watch
        .expect(&format!("b 1 - - SNAPSHOT - {expected}"))
        .await;
    // Errors too.
    let name = "no\u{1b}[31m";
    let (code, _, log) = super::run(server.address, &["--builder", name]).await;
    assert_eq!(code, Some(1));
    assert!(
        !log.contains('\u{1b}') && log.contains("no builder of this name"),
        "{log:?}"
    );
}

#[tokio::test]
async fn it_ends_quietly_when_nobody_reads() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "s").await;
    let mut first = Watch::start(server.address, &[]);
    first.expect("b 1 - - SNAPSHOT - created").await;
    first.expect("b 1 0 s SNAPSHOT - pending").await;
    let Watch {
        mut child,
        lines,
        mut log,
    } = first;
    drop(lines);
    client.set_state(step, "unread").await;
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert_eq!(log.next_line().await.unwrap(), None);

    // Whoever waits for the exit status gets it.
    let mut waiting = watch(
        server.address,
        &["--builder", "b", "--build", "1", "--wait"],
    );
    let mut waiting = waiting.stdout(Stdio::piped()).spawn().unwrap();
    drop(waiting.stdout.take());
    client.set_state(step, "unread too").await;
    finish_build(&client, build, "FAILURE").await;
    assert_eq!(waiting.wait().await.unwrap().code(), Some(12));
}

#[tokio::test]
async fn signals_end_it() {
    let server = Server::start().await;
    server.client().add_build("b").await;
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let mut watch = Watch::start(server.address, &[]);
        watch.expect("b 1 - - SNAPSHOT - created").await;
        watch.signal(signal).await;
        assert_eq!(watch.status().await, Some(status), "{signal}");
    }
}
