//! Why a file cannot be opened, in words, from every command.

use std::{fs, os::unix::fs::symlink};

use tempfile::TempDir;
use tokio::process::Command;

use super::bound_command;
use crate::{cli::run, support::process::command};

/// The last line of a command's log; it must fail.
async fn failure(mut command: Command, arguments: &[&str], url: &str) -> String {
    command.args(arguments).args(["--database-url", url]);
    let done = command.output().await.unwrap();
    let log = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{arguments:?} {url}: {log}");
    assert!(
        log.contains(url) || log.contains("--database-url: "),
        "{log}"
    );
    let line = log.lines().last().unwrap_or_default();
    assert!(!line.contains("code: 14"), "{arguments:?}: {line}");
    line.to_owned()
}

const COMMANDS: [&[&str]; 6] = [
    &["serve", "--listen", "127.0.0.1:0"],
    &["migrate"],
    &["attach"],
    &["detach"],
    &["token", "list"],
    &["token", "create", "--name", "x", "--scope", "read"],
];

#[tokio::test]
async fn each_reason_is_named() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::write(path("file"), "").unwrap();
    symlink(path("nowhere/x"), path("dangling")).unwrap();
    let cases = [
        (
            format!("sqlite://{}?mode=rwc", path("no/x.sqlite")),
            format!("there is no directory {}", path("no")),
        ),
        (
            format!("sqlite://{}", path("x.sqlite")),
            "there is no such file".to_owned(),
        ),
        (
            format!("sqlite://{}?mode=rw", path("x.sqlite")),
            "there is no such file".to_owned(),
        ),
        (
            format!("sqlite://{}?mode=rwc", path("")),
            "it is a directory".to_owned(),
        ),
        (
            format!("sqlite://{}", path("file/x")),
            format!("{} is not a directory", path("file")),
        ),
        (
            format!("sqlite://{}", path("dangling")),
            "a symbolic link to a file that is not there".to_owned(),
        ),
        (
            "sqlite:".to_owned(),
            "--database-url: the path of a file".to_owned(),
        ),
        (
            "sqlite://".to_owned(),
            "--database-url: the path of a file".to_owned(),
        ),
        (
            "sqlite:?mode=rwc".to_owned(),
            "--database-url: the path of a file".to_owned(),
        ),
    ];
    for (url, words) in cases {
        for arguments in COMMANDS {
            let line = failure(command(), arguments, &url).await;
            assert!(line.contains(&words), "{arguments:?} {url}: {line}");
        }
        let copy = path("copy");
        let line = failure(command(), &["backup", &copy], &url).await;
        assert!(line.contains(&words), "backup {url}: {line}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn how_to_make_a_file_is_said_where_one_may_be_made() {
    let dir = TempDir::new().unwrap();
    let url = format!("sqlite://{}", dir.path().join("x.sqlite").display());
    for (arguments, is_said) in COMMANDS
        .into_iter()
        .zip([true, true, false, false, false, true])
    {
        let line = failure(command(), arguments, &url).await;
        assert_eq!(line.contains("?mode=rwc"), is_said, "{arguments:?}: {line}");
    }
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let file = path("steps.sqlite");
    let made = run(&[
        "migrate",
        "--database-url",
        &format!("sqlite://{file}?mode=rwc"),
    ])
    .await;
    assert_eq!(made.0, Some(0), "{}", made.2);
    fs::create_dir(path("closed")).unwrap();
    fs::create_dir(path("dark")).unwrap();
    let chmod = |mode: &str, path: &str| {
        let done = std::process::Command::new("chmod")
            .args([mode, path])
            .status();
        assert!(done.unwrap().success());
    };
    chmod("0000", &file);
    chmod("0555", &path("closed"));
    chmod("0000", &path("dark"));
    let (closed, dark) = (path("closed/x"), path("dark/x"));
    let cases = [
        (&file, "there is no right to read it".to_owned()),
        (
            &closed,
            format!("there is no right to make a file in {}", path("closed")),
        ),
        (
            &dark,
            format!("there is no right to look into {}", path("dark")),
        ),
    ];
    for (file, words) in cases {
        let url = format!("sqlite://{file}?mode=rwc");
        for arguments in [COMMANDS[0], COMMANDS[1], COMMANDS[5]] {
            let line = failure(bound_command().await, arguments, &url).await;
            assert!(line.contains(&words), "{arguments:?} {url}: {line}");
        }
    }
    // A file that may only be read.
    chmod("0444", &file);
    let url = format!("sqlite://{file}?mode=rwc");
    let line = failure(bound_command().await, COMMANDS[5], &url).await;
    assert!(line.contains("read-only: the database's file"), "{line}");
    chmod("0755", &path("dark"));
}
