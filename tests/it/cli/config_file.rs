//! `--config`: a file whose keys are flags, which variables and flags overrule.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::json;
use tempfile::TempDir;

use super::{run, temporary_database};
use crate::support::{
    client::Client,
    process::{Process, command},
};

/// A file with these settings.
fn file(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.toml");
    fs::write(&file, text).unwrap();
    (dir, file)
}

/// A client of a server with these, which runs until it is dropped.
async fn start(config: &Path, environment: &[(&str, &str)], flags: &[&str]) -> (Client, Process) {
    let mut command = command();
    command
        .args(["serve", "--config"])
        .arg(config)
        .args(flags)
        .envs(environment.iter().copied())
        .stderr(Stdio::null());
    let process = Process::spawn(&mut command).await;
    (Client::new(process.address), process)
}

#[tokio::test]
async fn variables_win_over_the_file_and_flags_over_both() {
    let (_dir, database, url) = temporary_database();
    let (_dir, config) = file(&format!(
        "# Of the test.\ndatabase-url = \"{url}\"\nlisten = \"127.0.0.1:0\"\nanonymous = \"none\"\n\
         max-depth = 1_2\nno-graphiql = true\nallow-origin = [\"https://a.example\", \"https://b.example\"]\n\
         log-format = \"text\"\n"
    ));
    let query = "{ __typename }";
    let (refused, _refused) = start(&config, &[], &[]).await;
    assert_eq!(refused.error(query, json!({})).await.0, "UNAUTHENTICATED");
    assert!(database.exists());
    let variable = [("BUILDBOT_GRAPHQL_ANONYMOUS", "read")];
    let (reader, _reader) = start(&config, &variable, &[]).await;
    reader.data(query, json!({})).await;
    let graphiql = reader.url.replace("/graphql", "/graphiql");
    assert_eq!(
        reader.http.get(&graphiql).send().await.unwrap().status(),
        404
    );
    let (writer, _writer) = start(&config, &variable, &["--anonymous", "write"]).await;
    writer.add_build("b").await;
    // A variable can turn off what the file turns on.
    let variable = [("BUILDBOT_GRAPHQL_NO_GRAPHIQL", "false")];
    let (shown, _shown) = start(&config, &variable, &[]).await;
    let graphiql = shown.url.replace("/graphql", "/graphiql");
    assert_eq!(
        shown.http.get(&graphiql).send().await.unwrap().status(),
        200
    );
}

#[tokio::test]
async fn every_command_takes_it_by_flag_or_variable() {
    let (_dir, database, url) = temporary_database();
    // Keys of `serve` do not disturb other commands.
    let (_dir, config) = file(&format!("database-url = \"{url}\"\nmax-cost = 5\n"));
    let path = config.to_str().unwrap();
    let (code, stdout, stderr) = run(&["migrate", "--config", path]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("m0001") && database.exists(), "{stdout}");
    let args = [
        "token", "create", "--name", "ci", "--scope", "read", "--config", path,
    ];
    assert_eq!(run(&args).await.0, Some(0));
    let done = command()
        .args(["token", "list"])
        .env("BUILDBOT_GRAPHQL_CONFIG", path)
        .output()
        .await
        .unwrap();
    assert!(String::from_utf8(done.stdout).unwrap().contains("ci"));
}

#[tokio::test]
async fn a_wrong_file_is_refused_with_its_line_and_key() {
    for (text, line, words) in [
        ("lsten = \"x\"", 1, &["lsten", "no flag", "listen"][..]),
        ("\nmax_cost = 5", 2, &["max_cost", "no flag", "max-cost"]),
        ("[http]\nlisten = \"8020\"", 1, &["http", "no flag"]),
        ("config = \"a.toml\"", 1, &["config", "no flag"]),
        ("check = true", 1, &["check", "no flag"]),
        (
            "readers = \"4\"",
            1,
            &["readers", "a whole number", "string"],
        ),
        (
            "# one\n\nreaders = 4.5",
            3,
            &["readers", "a whole number", "float"],
        ),
        ("readers = 0", 1, &["'0' for 'readers'", "from 1 to 10000"]),
        (
            "readers = -1",
            1,
            &["'-1' for 'readers'", "from 1 to 10000"],
        ),
        (
            "readers = 0xfffff",
            1,
            &["'1048575' for 'readers'", "from 1 to 10000"],
        ),
        (
            "readers = true",
            1,
            &["readers", "a whole number", "boolean"],
        ),
        ("demo = \"yes\"", 1, &["demo", "true or false", "string"]),
        ("demo = 1", 1, &["demo", "true or false", "integer"]),
        ("listen = 8020", 1, &["listen", "a string", "integer"]),
        (
            "listen = \"nowhere\"",
            1,
            &["'nowhere' for 'listen'", "an address such as"],
        ),
        ("listen = [\"8020\"]", 1, &["listen", "a string", "array"]),
        (
            "trusted-proxy = \"10.0.0.1\"",
            1,
            &["trusted-proxy", "an array of strings"],
        ),
        (
            "trusted-proxy = [1]",
            1,
            &["trusted-proxy", "an array of strings"],
        ),
        (
            "trusted-proxy = [\"x\"]",
            1,
            &["'x' for 'trusted-proxy'", "a network"],
        ),
        (
            "anonymous = \"all\"",
            1,
            &["'all' for 'anonymous'", "read, write, none"],
        ),
        (
            "readers = 1\nwriters = 1\nreaders = 2",
            3,
            &["readers", "duplicate"],
        ),
        ("readers = 1\nwriters 2", 2, &["writers"]),
        ("readers = ", 1, &["readers"]),
    ] {
        let (_dir, config) = file(text);
        let path = config.to_str().unwrap();
        // What overrules the file does not hide what is wrong with it.
        let args = [
            "serve",
            "--config",
            path,
            "--readers",
            "3",
            "--listen",
            "127.0.0.1:0",
        ];
        let (code, stdout, stderr) = run(&args).await;
        assert_eq!((code, &*stdout), (Some(2), ""), "{text}: {stderr}");
        let place = format!("{path}, line {line}: ");
        assert!(stderr.contains(&place), "{text}: {stderr}");
        assert!(
            words.iter().all(|word| stderr.contains(word)),
            "{text}: {stderr}"
        );
    }
}

#[tokio::test]
async fn everything_wrong_is_told_at_once_and_secrets_are_not() {
    let (_dir, config) = file("readers = 0\nlsten = 1\ndatabase-url = hunter2\n");
    let (_, _, stderr) = run(&["serve", "--config", config.to_str().unwrap()]).await;
    assert!(
        stderr.contains("line 3: database-url") && !stderr.contains("hunter2"),
        "{stderr}"
    );
    let (_dir, config) = file("readers = 0\nlsten = 1\n");
    let (_, _, stderr) = run(&["serve", "--config", config.to_str().unwrap()]).await;
    assert!(
        stderr.contains("line 1: ") && stderr.contains("line 2: lsten"),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_missing_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().join("none.toml"), dir.path().to_owned()] {
        let (code, _, stderr) = run(&["serve", "--config", path.to_str().unwrap()]).await;
        assert_eq!(code, Some(2));
        assert!(
            stderr.contains("--config") && stderr.contains(path.to_str().unwrap()),
            "{stderr}"
        );
    }
}

#[tokio::test]
async fn rules_between_flags_hold_for_files_too() {
    let (_dir, config) = file("tls-cert = \"cert.pem\"\n");
    let path = config.to_str().unwrap();
    let (code, _, stderr) = run(&["serve", "--config", path]).await;
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("--tls-cert is cert.pem and --tls-key is not given"),
        "{stderr}"
    );
    // One half may come from the file, and the other from a flag.
    let args = [
        "serve",
        "--config",
        path,
        "--tls-key",
        "key.pem",
        "--listen",
        "127.0.0.1:0",
    ];
    let (code, _, stderr) = run(&args).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("--tls-cert cert.pem: "), "{stderr}");
    // A time of the file counts as given.
    let (_dir, config) = file("statement-seconds = 8\nmax-seconds = 5\n");
    let (code, _, stderr) = run(&["serve", "--config", config.to_str().unwrap()]).await;
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("--statement-seconds from 1 to 4"),
        "{stderr}"
    );
}
