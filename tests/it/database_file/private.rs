//! A new SQLite file is its owner's alone, with the files beside it; one that is there keeps its
//! mode.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use tokio::process::Command;

use crate::support::{
    client::Client,
    database::{Database, on_sqlite},
    process::{Process, command},
};

/// The names of a folder's files, with their modes.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let of = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        (entry.file_name().into_string().unwrap(), mode)
    };
    let mut modes: Vec<_> = fs::read_dir(folder).unwrap().map(of).collect();
    modes.sort();
    modes
}

/// The binary in this folder, with a umask that leaves everything to everybody.
fn open_handed(folder: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "umask 0; exec \"$@\"", "sh"])
        .arg(command().as_std().get_program())
        .current_dir(folder)
        .env("BUILDBOT_GRAPHQL_RATE_POINTS", "0")
        .kill_on_drop(true);
    shell
}

#[tokio::test]
async fn a_new_file_is_its_owners_alone_whatever_the_umask() {
    if !on_sqlite("elsewhere a database is its server's") {
        return;
    }
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    for flags in [&["--anonymous", "write"][..], &["--demo"]] {
        let folder = tempfile::tempdir().unwrap();
        let mut serving = open_handed(folder.path());
        let server = Process::spawn(serving.args(serve).args(flags)).await;
        Client::new(server.address).add_build("b").await;
        let found = modes(folder.path());
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().all(|(_, mode)| *mode == 0o600), "{found:?}");
    }
    for args in [
        &["migrate"][..],
        &["token", "create", "--name", "a", "--scope", "read"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link.sqlite");
        std::os::unix::fs::symlink("behind.sqlite", &link).unwrap();
        for (url, name) in [
            ("sqlite:plain.sqlite?mode=rwc", "plain.sqlite"),
            ("sqlite:link.sqlite?mode=rwc", "behind.sqlite"),
        ] {
            let mut running = open_handed(folder.path());
            running.args(args).args(["--database-url", url]);
            let done = running.output().await.unwrap();
            assert!(done.status.success(), "{args:?} {url} {done:?}");
            let found = modes(folder.path());
            assert!(found.contains(&(name.to_owned(), 0o600)), "{found:?}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_there_keeps_its_mode() {
    if !on_sqlite("elsewhere a database is its server's") {
        return;
    }
    for mode in [0o644, 0o660] {
        let database = Database::fresh_file();
        fs::write(database.file(), "").unwrap();
        fs::set_permissions(database.file(), Permissions::from_mode(mode)).unwrap();
        let server = Process::start(&database, &[]).await;
        Client::new(server.address).add_build("b").await;
        let found = modes(database.file().parent().unwrap());
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().all(|(_, kept)| *kept == mode), "{found:?}");
    }
}
