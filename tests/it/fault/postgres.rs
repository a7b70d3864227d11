//! PostgreSQL itself is killed under two servers and restarted: they return UNAVAILABLE meanwhile
//! and recover on their own.

use std::{path::PathBuf, time::Duration};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    process::Command,
    time::{sleep, timeout},
};

use super::{Load, free_address, free_port, serve};
use crate::{
    feed::{after, newest_cursor},
    support::{
        TIMEOUT,
        client::Client,
        database::{Database, Kind, kind},
        outlast_readiness,
        process::Process,
        sql::Sql,
        ws::Ws,
    },
};

/// A PostgreSQL server for one test.
pub(super) struct Postgres {
    bin: PathBuf,
    dir: TempDir,
    port: u16,
}

impl Postgres {
    pub(super) async fn start() -> Self {
        let server = Self::new().await;
        let data = server.data();
        server
            .run(
                "initdb",
                &["-D", &data, "-U", "test", "-A", "trust", "-E", "UTF8"],
            )
            .await;
        server.up().await;
        server
    }

    /// A hot standby that follows this server.
    pub(super) async fn standby(&self) -> Self {
        let standby = Self::new().await;
        let (data, port) = (standby.data(), self.port.to_string());
        let from = ["-h", "127.0.0.1", "-p", &port, "-U", "test"];
        let into = ["-D", &data, "-R", "-X", "stream", "-c", "fast"];
        standby
            .run("pg_basebackup", &[&from[..], &into].concat())
            .await;
        standby.up().await;
        standby
    }

    /// Makes a standby a primary.
    pub(super) async fn promote(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-w", "promote"])
            .await;
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://test@127.0.0.1:{}", self.port)
    }

    /// A place for a server's data.
    async fn new() -> Self {
        let bin = std::env::var_os("POSTGRES_BIN")
            .expect("POSTGRES_BIN: where initdb is")
            .into();
        let dir = TempDir::new().unwrap();
        // PostgreSQL refuses to run as root.
        if is_root().await {
            let owned = Command::new("chown")
                .arg("postgres")
                .arg(dir.path())
                .status();
            assert!(owned.await.unwrap().success());
        }
        Self {
            bin,
            dir,
            port: free_port(),
        }
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }

    /// Starts the server and waits until it accepts connections.
    async fn up(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -k {}",
            self.port,
            self.dir.path().display()
        );
        let (data, log) = (
            self.data(),
            self.dir.path().join("log").display().to_string(),
        );
        let start = ["-D", &data, "-l", &log, "-w", "-o", &options, "start"];
        // After a kill it refuses to start until its last old process has ended.
        let started = async {
            while !self.try_run("pg_ctl", &start).await {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(TIMEOUT, started).await.expect("it does not start");
    }

    /// Kills the whole server with SIGKILL.
    async fn kill(&self) {
        let file = std::fs::read_to_string(format!("{}/postmaster.pid", self.data())).unwrap();
        let postmaster = file.lines().next().unwrap().to_owned();
        let children = Command::new("pgrep").args(["-P", &postmaster]).output();
        let children = String::from_utf8(children.await.unwrap().stdout).unwrap();
        let mut all = vec!["-9", &postmaster];
        all.extend(children.lines());
        assert!(
            Command::new("kill")
                .args(all)
                .status()
                .await
                .unwrap()
                .success()
        );
    }

    async fn run(&self, program: &str, arguments: &[&str]) {
        assert!(self.try_run(program, arguments).await, "{arguments:?}");
    }

    /// Runs one of PostgreSQL's programs and returns whether it succeeded.
    async fn try_run(&self, program: &str, arguments: &[&str]) -> bool {
        let program = self.bin.join(program);
        let mut command = if is_root().await {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).stdout(std::process::Stdio::null());
        command.status().await.unwrap().success()
    }
}

async fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().await.unwrap();
    id.stdout == b"0\n"
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let stop = ["-D", &self.data(), "-m", "immediate", "stop"].map(str::to_owned);
        let mut command = std::process::Command::new("runuser");
        command
            .args(["-u", "postgres", "--"])
            .arg(self.bin.join("pg_ctl"))
            .args(stop)
            .stdout(std::process::Stdio::null());
        // Best effort: the folder is removed in any case.
        let _ = command.status();
    }
}

/// Sets a step's state until it succeeds; returns the cursor.
async fn write(client: &Client, stepid: i64, state: &str) -> String {
    let set = "mutation($s: Int!, $t: String!) { \
         setStepStateString(stepid: $s, stateString: $t) { cursor } }";
    let written = async {
        loop {
            let variables = json!({ "s": stepid, "t": state });
            if let Ok(answer) = client.try_execute(set, variables).await
                && let Some(cursor) = answer["data"]["setStepStateString"]["cursor"].as_str()
            {
                return cursor.to_owned();
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(TIMEOUT, written).await.expect("nothing is written")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_tells_events_and_its_promotion_tells_what_was_lost() {
    if kind() != Kind::Postgres {
        return;
    }
    let primary = Postgres::start().await;
    let database = Database::on(&primary.url()).await;
    let server = Process::start(&database, &[]).await;
    let client = Client::new(server.address);
    let build = client.add_build("b").await;
    let (stepid, early) = client.new_step(build, "s").await;
    let standby = primary.standby().await;
    let (from, to) = (format!(":{}/", primary.port), format!(":{}/", standby.port));
    let there = database.by(database.url.replace(&from, &to));
    let replica = Process::start(&there, &[]).await;
    let reader = Client::new(replica.address);
    assert_eq!(newest_cursor(&reader).await, early);
    let subscribe = async |arguments: &str| {
        let mut ws = Ws::connect(replica.address).await;
        ws.subscribe(arguments).await;
        ws
    };
    let mut sockets = [
        subscribe(&after(&early)).await,
        subscribe("").await,
        subscribe("(snapshot: true)").await,
    ];
    assert_eq!(sockets[2].event().await["kind"], "SNAPSHOT");
    for state in ["a", "b", "c"] {
        let cursor = client.set_state(stepid, state).await;
        // Taken at once, though the standby may not have it yet.
        subscribe(&after(&cursor)).await;
        for ws in &mut sockets {
            assert_eq!(ws.event().await["cursor"], cursor.as_str());
        }
    }
    standby.kill().await;
    let mut lost = Vec::new();
    for state in ["lost 1", "lost 2", "lost 3"] {
        lost.push(client.set_state(stepid, state).await);
    }
    primary.kill().await;
    standby.up().await;
    standby.promote().await;
    let mut kept = Vec::new();
    for state in ["kept 1", "kept 2", "kept 3", "kept 4", "kept 5"] {
        kept.push(write(&reader, stepid, state).await);
    }
    for cursor in &lost {
        let mut ws = subscribe(&after(cursor)).await;
        assert_eq!(ws.stream_error().await.0, "CURSOR_EXPIRED");
    }
    let mut ws = subscribe(&after(&early)).await;
    for _ in ["a", "b", "c"] {
        ws.event().await;
    }
    for cursor in &kept {
        assert_eq!(ws.event().await["cursor"], cursor.as_str());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_recover_from_a_killed_database() {
    if kind() != Kind::Postgres {
        return;
    }
    let postgres = Postgres::start().await;
    let database = Database::on(&postgres.url()).await;
    let addresses = [free_address(), free_address()];
    let flags = ["--connect-seconds", "1"];
    let _one = serve(addresses[0], &database, &flags).await;
    let _two = serve(addresses[1], &database, &flags).await;
    let load = Load::start(&addresses, 4, 2).await;
    let client = Client::new(addresses[0]);
    let readyz = || async {
        outlast_readiness().await;
        let url = client.url.replace("/graphql", "/readyz");
        client.http.get(url).send().await.unwrap().status().as_u16()
    };
    for _ in 0..2 {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(readyz().await, 200);
        postgres.kill().await;
        let (code, _) = client.error("{ steps { totalCount } }", json!({})).await;
        assert_eq!(code, "UNAVAILABLE");
        assert_eq!(readyz().await, 503);
        postgres.up().await;
        while readyz().await != 200 {
            sleep(Duration::from_millis(20)).await;
        }
        client.data("{ steps { totalCount } }", json!({})).await;
    }
    sleep(Duration::from_secs(1)).await;
    load.reach(50).await;
    load.finish(&Sql::open(&database).await).await;
}
