//! `--wait`: the exit status says how the build ended.

use super::{Watch, finish_build, run};
use crate::{
    fault::{free_address, serve},
    support::{
        client::Client,
        database::Database,
        process::{Process, command},
        server::Server,
    },
};

const RESULTS: [(&str, i32); 7] = [
    ("SUCCESS", 0),
    ("WARNINGS", 0),
    ("FAILURE", 12),
    ("SKIPPED", 13),
    ("EXCEPTION", 14),
    ("RETRY", 15),
    ("CANCELLED", 16),
];

#[tokio::test]
async fn the_exit_status_says_how_the_build_ended() {
    let server = Server::start().await;
    let client = server.client();
    for (number, (results, status)) in (1..).zip(RESULTS) {
        let build = client.add_build("b").await;
        let number = format!("{number}");
        let args = ["--builder", "b", "--build", &number, "--wait"];
        let mut waiting = Watch::start(server.address, &args);
        waiting
            .expect(&format!("b {number} - - SNAPSHOT - created"))
            .await;
        client.new_step(build, "s").await;
        waiting
            .expect(&format!("b {number} 0 s NEW - pending"))
            .await;
        finish_build(&client, build, results).await;
        waiting
            .expect(&format!("b {number} - - FINISHED {results} created"))
            .await;
        assert_eq!(waiting.line().await, None);
        assert_eq!(waiting.status().await, Some(status), "{results}");

        // A build that is complete already ends it at once.
        let (code, lines, log) = run(server.address, &args).await;
        assert_eq!((code, lines.lines().count(), &*log), (Some(status), 2, ""));
        let quiet = [&args[..], &["--quiet"]].concat();
        let (code, lines, log) = run(server.address, &quiet).await;
        assert_eq!((code, &*lines, &*log), (Some(status), "", ""));
    }
}

#[tokio::test]
async fn a_timeout_has_an_exit_status_of_its_own() {
    let server = Server::start().await;
    server.client().add_build("b").await;
    let args = [
        "--builder",
        "b",
        "--build",
        "1",
        "--wait",
        "--timeout",
        "1s",
    ];
    for (address, said) in [
        (server.address, "--timeout, 1 s"),
        (free_address(), "reconnecting"),
    ] {
        let (code, _, log) = run(address, &args).await;
        assert_eq!(code, Some(124), "{log}");
        assert!(log.contains(said), "{log}");
    }
}

#[tokio::test]
async fn a_script_may_wait_for_a_server_that_is_not_up() {
    let (database, address) = (Database::fresh().await, free_address());
    let other = Process::start(&database, &[]).await;
    let client = Client::new(other.address);
    let build = client.add_build("b").await;
    let args = ["--builder", "b", "--build", "1", "--wait"];
    let mut waiting = Watch::start(address, &args);
    waiting.expect_log("reconnecting").await;
    let server = serve(address, &database, &[]).await;
    waiting.expect("b 1 - - SNAPSHOT - created").await;
    // It is killed, and the build ends meanwhile.
    server.kill().await;
    waiting.expect_log("reconnecting").await;
    finish_build(&client, build, "FAILURE").await;
    let _server = serve(address, &database, &[]).await;
    waiting.expect("b 1 - - FINISHED FAILURE created").await;
    assert_eq!(waiting.status().await, Some(12));
}

#[tokio::test]
async fn variables_say_what_flags_do() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    finish_build(&client, build, "RETRY").await;
    let mut command = command();
    command.arg("watch").envs([
        (
            "BUILDBOT_GRAPHQL_URL",
            &*format!("http://{}/graphql", server.address),
        ),
        ("BUILDBOT_GRAPHQL_BUILDER", "b"),
        ("BUILDBOT_GRAPHQL_BUILD", "1"),
        ("BUILDBOT_GRAPHQL_WAIT", "true"),
        ("BUILDBOT_GRAPHQL_TIMEOUT", "1h"),
        ("BUILDBOT_GRAPHQL_QUIET", "yes"),
    ]);
    let mut waiting = Watch::spawn(&mut command);
    assert_eq!(waiting.line().await, None);
    assert_eq!(waiting.status().await, Some(15));
}
