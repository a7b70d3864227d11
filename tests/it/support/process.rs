//! The real binary in its own process, which tests signal and kill.

use std::{
    fs,
    io::Cursor,
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::{TIMEOUT, database::Database};

/// How long a start may take: migrations of many servers at once, and the demo's history.
const START_TIMEOUT: Duration = TIMEOUT.saturating_mul(3);

/// A running server.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// The binary, without settings from the environment.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_buildbot-graphql"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BUILDBOT_GRAPHQL_")) {
        command.env_remove(name);
    }
    // A test sends more than one caller's share.
    command.env("BUILDBOT_GRAPHQL_RATE_POINTS", "0");
    command.kill_on_drop(true);
    command
}

/// The command that serves this database and lets everybody write.
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

/// Reads a JSON log until the server serves. Returns where it listens.
pub(crate) async fn read_until_served(
    log: &mut (impl AsyncBufReadExt + Unpin),
    read: &mut String,
) -> String {
    let served = async {
        loop {
            let start = read.len();
            assert_ne!(log.read_line(read).await.unwrap(), 0, "it ended: {read}");
            let line: Value = serde_json::from_str(&read[start..]).unwrap();
            if line["message"] == "serving" {
                return line["listen"].as_str().unwrap().to_owned();
            }
        }
    };
    timeout(START_TIMEOUT, served).await.unwrap()
}

impl Process {
    /// Starts a server over this database that lets everybody write, and waits until it prints its
    /// address.
    pub(crate) async fn start(database: &Database, flags: &[&str]) -> Self {
        Self::listen("127.0.0.1:0", database, flags).await
    }

    /// The same at a given address.
    pub(crate) async fn listen(address: &str, database: &Database, flags: &[&str]) -> Self {
        Self::spawn(&mut serving(address, database, flags)).await
    }

    /// The same with this environment. Also returns the log.
    pub(crate) async fn logging(
        database: &Database,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> (Self, impl AsyncRead + Unpin) {
        let mut command = serving("127.0.0.1:0", database, flags);
        command
            .envs(environment.iter().copied())
            .stderr(Stdio::piped());
        let is_json = flags.contains(&"json") || environment.iter().any(|(_, v)| *v == "json");
        let mut process = if is_json {
            let child = command.spawn().unwrap();
            Self {
                child,
                address: SocketAddr::from(([0; 4], 0)),
            }
        } else {
            Self::spawn(&mut command).await
        };
        let mut log = BufReader::new(process.child.stderr.take().unwrap());
        let mut read = String::new();
        if is_json {
            process.address = read_until_served(&mut log, &mut read)
                .await
                .parse()
                .unwrap();
        }
        (process, Cursor::new(read).chain(log))
    }

    /// Starts the server of this command.
    pub(crate) async fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = timeout(START_TIMEOUT, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, url)) = line.split_once("GraphQL   ") {
                    let (_, rest) = url.split_once("://").unwrap();
                    return rest.split('/').next().unwrap().parse().unwrap();
                }
            }
            panic!("the server ended before it listened");
        })
        .await
        .unwrap();
        Self { child, address }
    }

    /// Kills the process with SIGKILL.
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

    /// How many bytes of memory it has.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let pid = self.child.id().unwrap();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() * 1_024
    }

    /// Waits for the exit status, for at most this long.
    pub(crate) async fn exit_status(&mut self, within: Duration) -> ExitStatus {
        timeout(within, self.child.wait())
            .await
            .expect("it did not end in time")
            .unwrap()
    }
}
