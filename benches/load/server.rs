//! The server in its own process, and the resources that this process uses.

use std::{fs, net::SocketAddr, path::Path, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::{Common, Result};

/// A clock tick of /proc in seconds, the same on every Linux.
const TICK: f64 = 0.01;

/// Settings that would limit a single caller.
const UNLIMITED: [&str; 4] = [
    "RATE_POINTS",
    "MAX_CONNECTIONS_PER_ADDRESS",
    "MAX_SOCKETS_PER_ADDRESS",
    "MAX_SUBSCRIPTIONS",
];

/// A running server, killed on drop.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    // Kept so that the server's output has a reader and its files stay.
    _child: Child,
    _stdout: Lines<BufReader<ChildStdout>>,
    _folder: TempDir,
}

impl Server {
    pub(crate) async fn start(common: &Common) -> Result<Self> {
        let folder = TempDir::new()?;
        let file = folder.path().join("load.sqlite");
        let url = common
            .database_url
            .clone()
            .unwrap_or_else(|| format!("sqlite://{}?mode=rwc", file.display()));
        let ours = Path::new(env!("CARGO_BIN_EXE_buildbot-graphql"));
        let mut child = Command::new(common.server.as_deref().unwrap_or(ours))
            .args(["serve", "--listen", "127.0.0.1:0", "--anonymous", "write"])
            .args(["--database-url", &url])
            .args(&common.server_flag)
            .env("RUST_LOG", "error")
            // All connections come from one address. Variables, because an older server may not
            // know the flags.
            .envs(UNLIMITED.map(|name| (format!("BUILDBOT_GRAPHQL_{name}"), "0")))
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = loop {
            let line = lines.next_line().await?;
            let line = line.ok_or("the server ended before it listened")?;
            if let Some((_, rest)) = line.split_once("GraphQL   http://") {
                break rest.split('/').next().unwrap_or_default().parse()?;
            }
        };
        let process = Process(child.id().ok_or("the server has ended")?);
        Ok(Self {
            address,
            process,
            _child: child,
            _stdout: lines,
            _folder: folder,
        })
    }
}

/// A process by its id.
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    /// CPU used so far, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The name may contain blanks. After it, utime and stime are the 12th and 13th fields.
        let (_, rest) = stat.rsplit_once(')').ok_or("no process name")?;
        let mut times = rest.split_whitespace().skip(11).map(str::parse::<u32>);
        let mut next = || times.next().ok_or("no times of the process");
        Ok(f64::from(next()?? + next()??) * TICK)
    }

    /// Resident memory, in KiB.
    pub(crate) fn memory(&self) -> Result<u32> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let number = line.and_then(|l| l.split_whitespace().next());
        Ok(number.ok_or("no VmRSS")?.parse()?)
    }
}
