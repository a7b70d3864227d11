//! Neither help nor a log has a password, however it is given.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use futures_util::future::join_all;

use super::run;
use crate::support::{
    database::{Database, Kind, kind},
    process::command,
    sql::Sql,
};

/// Runs a command with this environment, and returns all that it says.
async fn said(args: &[&str], environment: &[(String, String)]) -> String {
    let mut command = command();
    command.args(args).envs(environment.iter().cloned());
    let done = command.output().await.unwrap();
    String::from_utf8([done.stdout, done.stderr].concat()).unwrap()
}

#[tokio::test]
async fn help_shows_no_value_of_a_variable() {
    let (_, help, _) = run(&["serve", "--help"]).await;
    let is_other = |c: char| !c.is_ascii_uppercase() && c != '_';
    let names = help
        .split(is_other)
        .filter(|word| word.starts_with("BUILDBOT_GRAPHQL_"));
    let set: Vec<_> = names
        .map(|name| (name.to_owned(), "hunter2".to_owned()))
        .collect();
    assert!(set.len() > 60, "{set:?}");
    for subcommand in [
        &[][..],
        &["serve"],
        &["migrate"],
        &["attach"],
        &["detach"],
        &["backup"],
        &["token"],
        &["token", "create"],
        &["token", "list"],
        &["token", "revoke"],
        &["schema"],
        &["completions"],
    ] {
        for asked in [
            [subcommand, &["--help"]].concat(),
            [subcommand, &["-h"]].concat(),
            [&["help"], subcommand].concat(),
        ] {
            let text = said(&asked, &set).await;
            assert!(text.contains("Usage:"), "{asked:?}: {text}");
            assert!(!text.contains("hunter2"), "{asked:?}: {text}");
        }
    }
    let is_read = |name: &str| name.ends_with("_CONFIG") || name.contains("_LOG");
    let set: Vec<_> = set.into_iter().filter(|(name, _)| !is_read(name)).collect();
    for shell in ["bash", "zsh", "fish"] {
        let script = said(&["completions", shell], &set).await;
        assert!(script.contains("database-url") && !script.contains("hunter2"));
    }
}

/// Each is refused, or leads to a server that is not there.
const URLS: [&str; 28] = [
    "postgres://u:hunter2@127.0.0.1:1/d",
    "  postgres://u:hunter2@127.0.0.1:1/d \n",
    "POSTGRES://u:hunter2@127.0.0.1:1/d",
    "MariaDB://u:hunter2@127.0.0.1:1/d",
    "mysql://u:hunter2@127.0.0.1:1/d",
    "mysql://u:hunter2@127.0.0.1:1/d?password=hunter2&sslpassword=hunter2",
    "postgres://:hunter2@127.0.0.1:1/d",
    "postgres://u@127.0.0.1:1/d?password=hunter2",
    "postgres://127.0.0.1:1/d?user=u&password=hunter2&sslmode=disable",
    "postgres://u@127.0.0.1:1/d?sslpassword=hunter2",
    "postgres://u@127.0.0.1:1/d?passwd=hunter2",
    "postgres://u:x:hunter2@127.0.0.1:1/d",
    "postgres://u:x@hunter2@127.0.0.1:1/d",
    "postgres://u:%68unter2@127.0.0.1:1/d",
    "postgres://u:hunter2@[::1]:1/d",
    "postgres://u:hunter2@[::1/d",
    "postgres:///d?host=/nowhere&user=u&password=hunter2",
    "mysql://u:hunter2@localhost/d?socket=/nowhere/s",
    "postgres://u:hunter2@%2Fnowhere/d",
    "postgres://u:hunter2@/d",
    "postgres://u:1/hunter2@127.0.0.1:1/d",
    "postgres://u:1#hunter2@127.0.0.1:1/d",
    "postgres://u:1?hunter2@127.0.0.1:1/d",
    "mysql:u:hunter2@127.0.0.1:1/d",
    "postgresql//u:hunter2@127.0.0.1:1/d",
    "u:hunter2@127.0.0.1:1/d",
    "hunter2@127.0.0.1:1/d",
    "jdbc:postgresql://u:hunter2@127.0.0.1:1/d",
];

#[tokio::test]
async fn no_log_has_the_password_of_a_database_url() {
    let trace = ["--log", "trace", "--connect-seconds", "1"];
    join_all(URLS.map(async |url| {
        for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate"]] {
            let args = [args, &trace, &["--database-url", url]].concat();
            let (code, stdout, stderr) = run(&args).await;
            assert_eq!(code, Some(1), "{url}: {stderr}");
            assert!(
                stderr.contains("ERROR") && !stderr.contains("hunt") && !stdout.contains("hunt"),
                "{url}: {stderr}"
            );
        }
    }))
    .await;
    for args in [
        &["serve", "--check", "--database-url", URLS[0]][..],
        &[
            "serve",
            "--check",
            "--database-url",
            URLS[9],
            "--log-format",
            "json",
        ],
        &["backup", "--database-url", URLS[0], "file"],
        &["token", "list", "--database-url", URLS[7]],
        // Mistaken for something else.
        &["serve", URLS[0]],
        &[URLS[0]],
        &["serve", "--listen", URLS[0]],
        &["serve", "--readers", URLS[0], "--log-format", "json"],
        &["serve", "--jwks-url", "https://u:hunter2@example.org/keys"],
    ] {
        let (code, stdout, stderr) = run(args).await;
        assert_ne!(code, Some(0), "{args:?}");
        assert!(
            !stderr.is_empty() && !stderr.contains("hunt") && !stdout.contains("hunt"),
            "{args:?}: {stdout} {stderr}"
        );
    }
}

#[tokio::test]
async fn an_error_in_a_file_of_settings_has_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let url = "postgres://u:hunter2@127.0.0.1:1/d";
    for text in [
        format!("database-url = {url}"),
        format!("database-url = \"{url}"),
        format!("database-url = \"\"\"\n{url}\n"),
        "database-url = \"\"\"\nhunter2=\n\\q\"\"\"".to_owned(),
        format!("database-url = [\"{url}\"]"),
        format!("database-url = \"{url}\"\ndatabase-url = \"{url}\""),
        format!("listen = \"{url}\""),
        format!("readers = \"{url}\""),
        url.to_owned(),
        "jwks-url = \"https://u:hunter2@example.org/\"".to_owned(),
        format!("database-url = \"{url}\" hunter2"),
    ] {
        fs::write(&file, &text).unwrap();
        let (code, _, stderr) = run(&["serve", "--config", file.to_str().unwrap()]).await;
        assert_eq!(code, Some(2), "{text}: {stderr}");
        let place = stderr.contains("settings.toml, line ");
        assert!(place && !stderr.contains("hunter2"), "{text}: {stderr}");
    }
}

/// What is said of this file at the start, when it has this mode.
async fn warning(file: &Path, mode: u32, args: &[&str]) -> Option<String> {
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    let (_, _, stderr) = run(args).await;
    let name = file.file_name().unwrap().to_str().unwrap();
    let warned = |line: &&str| line.contains("others may read") && line.contains(name);
    stderr.lines().find(warned).map(str::to_owned)
}

#[tokio::test]
async fn a_file_with_a_secret_that_others_may_read_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (url, with, without) = (path("url"), path("with.toml"), path("without.toml"));
    fs::write(&url, "postgres://u:hunter2@127.0.0.1:1/d").unwrap();
    fs::write(
        &with,
        "database-url = \"postgres://u:hunter2@127.0.0.1:1/d\"",
    )
    .unwrap();
    fs::write(&without, "database-url = \"postgres://u@127.0.0.1:1/d\"").unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (cert, key_text) = (text(&cert), text(&key));
    let check = ["serve", "--check", "--listen", "127.0.0.1:0"];
    let none = ["--database-url", "sqlite:none.sqlite?mode=rwc"];
    let tls = ["--tls-cert", &*cert, "--tls-key", &*key_text];
    let (url_text, with_text) = (text(&url), text(&with));
    for (file, args) in [
        (&key, [&check[..], &none, &tls].concat()),
        (&url, vec!["migrate", "--database-url-file", &*url_text]),
        (&with, vec!["migrate", "--config", &*with_text]),
        (&with, [&check[..], &["--config", &*with_text]].concat()),
    ] {
        for mode in [0o600, 0o640, 0o400] {
            assert_eq!(warning(file, mode, &args).await, None, "{args:?} {mode:o}");
        }
        for (mode, shown) in [(0o644, "0644"), (0o604, "0604"), (0o666, "0666")] {
            let warned = warning(file, mode, &args).await.expect(shown);
            assert!(
                warned.contains("WARN") && warned.contains(shown),
                "{warned}"
            );
            assert!(!warned.contains("hunter2"), "{warned}");
        }
    }
    let args = ["migrate", "--config", &*text(&without)];
    assert_eq!(warning(&without, 0o644, &args).await, None);
}

/// What is shown nowhere is sent all the same. PostgreSQL's test server asks for no password.
#[tokio::test]
async fn the_password_reaches_the_server() {
    if kind() != Kind::Mariadb {
        return;
    }
    let database = Database::fresh().await;
    let (server, name) = database.url.rsplit_once('/').unwrap();
    let (_, location) = server.split_once('@').unwrap();
    let sql = Sql::open(&database).await;
    sql.run("CREATE OR REPLACE USER secretive@localhost IDENTIFIED BY 'hunt/er@2'")
        .await;
    sql.run(&format!("GRANT ALL ON {name}.* TO secretive@localhost"))
        .await;
    for (password, expected) in [("hunt%2Fer%402", 0), ("hunt%2Fer%403", 1), ("", 1)] {
        let url = format!("mysql://secretive:{password}@{location}/{name}");
        let (code, _, stderr) = run(&["migrate", "--database-url", &url]).await;
        assert_eq!(code, Some(expected), "{url}: {stderr}");
    }
}
