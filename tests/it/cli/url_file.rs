//! `--database-url-file`: the database's URL in a file of its own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{run, temporary_database};
use crate::support::{
    client::Client,
    database::Database,
    process::{Process, command},
};

/// A file in this folder with this text.
fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
async fn every_command_takes_it_by_flag_or_variable_or_from_a_file() {
    let database = Database::fresh().await;
    let folder = tempfile::tempdir().unwrap();
    for (name, end) in [("plain", ""), ("unix", "\n"), ("windows", "\r\n")] {
        let file = write(folder.path(), name, format!("{}{end}", database.url));
        let file = file.to_str().unwrap();
        let new = ["token", "create", "--name", name, "--scope", "read"];
        for args in [
            &["migrate"][..],
            &["serve", "--check", "--listen", "127.0.0.1:0"],
            &new,
            &["token", "list"],
            &["token", "revoke", name],
        ] {
            let args = [args, &["--database-url-file", file]].concat();
            let (code, _, stderr) = run(&args).await;
            assert_eq!(code, Some(0), "{args:?}: {stderr}");
        }
        let mut listing = command();
        listing.args(["token", "list"]);
        listing.env("BUILDBOT_GRAPHQL_DATABASE_URL_FILE", file);
        assert!(listing.status().await.unwrap().success());
        let config = format!("database-url-file = \"{file}\"\n");
        let config = write(folder.path(), "settings.toml", config);
        let listing = ["token", "list", "--config", config.to_str().unwrap()];
        assert_eq!(run(&listing).await.0, Some(0));
        // Beside a master's alone, and for SQLite.
        for args in [&["attach"][..], &["detach"]] {
            let args = [args, &["--database-url-file", file]].concat();
            let (code, _, stderr) = run(&args).await;
            assert_eq!(code, Some(1), "{stderr}");
            assert!(stderr.contains("not a Buildbot master's"), "{stderr}");
        }
    }
    let file = folder.path().join("unix");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--anonymous", "write"];
    let mut serving = command();
    serving.args(serve).arg("--database-url-file").arg(file);
    let server = Process::spawn(&mut serving).await;
    Client::new(server.address).add_build("b").await;
}

#[tokio::test]
async fn it_is_not_for_use_beside_a_url_but_overrules_those_that_it_wins_over() {
    let (folder, database, url) = temporary_database();
    let file = write(folder.path(), "url", &url);
    let file = file.to_str().unwrap();
    let other = "sqlite:/nowhere/x.sqlite";
    let (flag, from_file) = (["--database-url", other], ["--database-url-file", file]);
    let variable = "BUILDBOT_GRAPHQL_DATABASE_URL";
    let migrate = async |args: &[&str], environment: &[(&str, &str)]| {
        let mut command = command();
        command.arg("migrate").args(args);
        let done = command.envs(environment.iter().copied()).output();
        let done = done.await.unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    for (args, environment) in [
        ([flag, from_file].concat(), vec![]),
        (from_file.to_vec(), vec![(variable, other)]),
        (
            flag.to_vec(),
            vec![("BUILDBOT_GRAPHQL_DATABASE_URL_FILE", file)],
        ),
    ] {
        let (code, stderr) = migrate(&args, &environment).await;
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains("cannot be used with"), "{stderr}");
    }
    let both = format!("database-url = \"{other}\"\ndatabase-url-file = \"{file}\"\n");
    let both = write(folder.path(), "both.toml", both);
    let (code, stderr) = migrate(&["--config", both.to_str().unwrap()], &[]).await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("give one"), "{stderr}");
    assert!(!database.exists());
    // Flags and variables win over the settings of a file.
    let config = write(
        folder.path(),
        "url.toml",
        format!("database-url = \"{other}\"\n"),
    );
    let args = [&from_file[..], &["--config", config.to_str().unwrap()]].concat();
    assert_eq!(migrate(&args, &[]).await.0, Some(0));
    assert!(database.exists());
    let config = "database-url-file = \"/nowhere\"\n";
    let config = write(folder.path(), "file.toml", config);
    let (code, stderr) = migrate(
        &["--config", config.to_str().unwrap()],
        &[(variable, &*url)],
    )
    .await;
    assert_eq!(code, Some(0), "{stderr}");
}

#[tokio::test]
async fn a_file_without_a_url_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (file, about) in [
        (path.join("none"), "No such file"),
        (path.to_owned(), "directory"),
        (write(path, "empty", ""), "empty"),
        (write(path, "blank", " \n"), "empty"),
        (write(path, "two", "sqlite:a\nsqlite:b\n"), "several lines"),
        (write(path, "bytes", b"sqlite:\xff"), "not UTF-8"),
        (
            write(path, "long", "x".repeat(20_000)),
            "more than 16384 bytes",
        ),
    ] {
        let file = file.to_str().unwrap();
        let (code, stdout, stderr) = run(&["migrate", "--database-url-file", file]).await;
        assert_eq!((code, &*stdout), (Some(2), ""), "{stderr}");
        let named = stderr.contains(&format!("--database-url-file {file}: "));
        assert!(named && stderr.contains(about), "{stderr}");
    }
    let nonsense = write(path, "nonsense", "hunter2@h");
    let args = ["migrate", "--database-url-file", nonsense.to_str().unwrap()];
    let (code, _, stderr) = run(&args).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("a URL such as") && !stderr.contains("hunter2"),
        "{stderr}"
    );
}
