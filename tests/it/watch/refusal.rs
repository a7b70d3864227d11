//! What is wrong for good is said at once, with what would be right.

use super::run;
use crate::{cli, fault::free_address, support::server::Server};

#[tokio::test]
async fn what_does_not_exist_is_an_error() {
    let server = Server::start().await;
    server.client().add_build("b").await;
    let waits = ["--builder", "b", "--build", "7", "--wait"];
    for (args, said) in [
        (
            &["--builder", "B"][..],
            "--builder \"B\": the server has no builder of this name",
        ),
        (&["--builder", "x", "--build", "1"], "--builder \"x\""),
        (
            &["--builder", "b", "--build", "7"],
            "--build 7: the builder \"b\" has no build",
        ),
        (&waits, "--build 7: "),
    ] {
        let (code, lines, log) = run(server.address, args).await;
        assert_eq!((code, &*lines), (Some(1), ""), "{args:?}: {log}");
        assert!(log.contains(said), "{args:?}: {log}");
    }
}

#[tokio::test]
async fn flags_that_do_not_go_together_are_refused() {
    for (args, said) in [
        (
            &["--build", "3"][..],
            "--build 3: builds are numbered within their builder",
        ),
        (&["--wait"], "--wait: give --builder NAME and --build N"),
        (&["--builder", "b", "--wait"], "--wait: give"),
        (&["--timeout", "5"], "--timeout 5: only with --wait"),
        (&["--quiet"], "--quiet: only with --wait"),
        (
            &["--builder", "b", "--build", "0"],
            "'0' for '--build <N>': a whole number from 1",
        ),
        (&["--timeout", "soon"], "'soon' for '--timeout"),
        (&["--token-file", "nowhere"], "--token-file nowhere: "),
    ] {
        let args = [&["watch", "http://127.0.0.1:1"], args].concat();
        let (code, lines, log) = cli::run(&args).await;
        assert_eq!((code, &*lines), (Some(2), ""), "{args:?}: {log}");
        assert!(log.contains(said), "{args:?}: {log}");
    }
    for url in [
        "127.0.0.1:8020",
        "ftp://x",
        "http://u:secret@x",
        "http://x/?a=b",
    ] {
        let (code, _, log) = cli::run(&["watch", url]).await;
        assert_eq!(code, Some(2), "{log}");
        assert!(
            log.contains("a URL such as") && !log.contains("secret"),
            "{log}"
        );
    }
    let (code, _, log) = cli::run(&["watch"]).await;
    assert_eq!(code, Some(2));
    assert!(log.contains("<URL>"), "{log}");
}

#[tokio::test]
async fn an_address_where_no_server_is_ends_it() {
    let (code, _, log) = run(free_address(), &[]).await;
    assert_eq!(code, Some(1));
    assert!(log.contains("Connection refused"), "{log}");
    // Another path and another program are wrong even for those who wait.
    let server = Server::start().await;
    let waits = ["--builder", "b", "--build", "1", "--wait"];
    let url = format!("http://{}/nowhere", server.address);
    let (code, _, log) = cli::run(&[&["watch", &*url], &waits[..]].concat()).await;
    assert_eq!(code, Some(1));
    assert!(
        log.contains("404") && log.contains("is this the address"),
        "{log}"
    );
}

#[tokio::test]
async fn help_shows_what_it_takes() {
    let (code, help, _) = cli::run(&["watch", "--help"]).await;
    assert_eq!(code, Some(0));
    for flag in [
        "--builder",
        "--wait",
        "BUILDBOT_GRAPHQL_TOKEN",
        "--log-format",
    ] {
        assert!(help.contains(flag), "{flag}: {help}");
    }
    for flag in ["--database-url", "--config"] {
        assert!(!help.contains(flag), "{flag}: {help}");
    }
}
