//! The real binary in a process of its own, to be signalled and killed.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

use super::{PATIENCE, database::Database};

/// A running server.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// The binary, without the environment's settings for it.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_buildbot-graphql"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BUILDBOT_GRAPHQL_")) {
        command.env_remove(name);
    }
    // A test asks more than any caller's share.
    command.env("BUILDBOT_GRAPHQL_RATE_POINTS", "0");
    command.kill_on_drop(true);
    command
}

/// The command that serves this database, where everybody may write.
fn serving(address: &str, database: &Database, flags: &[&str]) -> Command {
    let mut command = command();
    command
        .args([
            "serve",
            "--listen",
            address,
            "--database-url",
            &database.url,
            "--anonymous",
            "write",
        ])
        .args(flags);
    command
}

impl Process {
    /// Starts a server over this database, where everybody may write, and waits until it says where it listens.
    pub(crate) async fn start(database: &Database, flags: &[&str]) -> Self {
        Self::listen("127.0.0.1:0", database, flags).await
    }

    /// The same on a given address.
    pub(crate) async fn listen(address: &str, database: &Database, flags: &[&str]) -> Self {
        Self::of(&mut serving(address, database, flags)).await
    }

    /// The same with this environment, and with what it logs.
    pub(crate) async fn logging(
        database: &Database,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> (Self, ChildStderr) {
        let mut command = serving("127.0.0.1:0", database, flags);
        command
            .envs(environment.iter().copied())
            .stderr(Stdio::piped());
        let mut process = Self::of(&mut command).await;
        let log = process.child.stderr.take().unwrap();
        (process, log)
    }

    /// The server that this command starts.
    pub(crate) async fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, url)) = line.split_once("GraphiQL  ") {
                    let (_, rest) = url.split_once("://").unwrap();
                    return rest.trim_end_matches("/graphiql").parse().unwrap();
                }
            }
            panic!("the server ended before it listened");
        })
        .await
        .unwrap();
        Self { child, address }
    }

    /// kill -9.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends a signal, such as "TERM".
    pub(crate) async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        let done = Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status()
            .await
            .unwrap();
        assert!(done.success());
    }

    /// How it ended, within this time.
    pub(crate) async fn ended(&mut self, within: Duration) -> ExitStatus {
        timeout(within, self.child.wait())
            .await
            .expect("it did not end in time")
            .unwrap()
    }
}
