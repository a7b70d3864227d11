//! PgBouncer in front of PostgreSQL: only its session mode is served, and whatever we did, no other
//! client of the pool finds a setting of ours.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::Stdio,
    time::Duration,
};

use sea_orm::sqlx::{ConnectOptions, PgConnection, Row, postgres::PgConnectOptions, raw_sql};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    task::JoinSet,
    time::sleep,
};

use crate::{
    cli::run,
    fault::free_port,
    feed::{after, newest_cursor},
    support::{
        TIMEOUT,
        client::Client,
        database::{Database, Kind, kind},
        process::Process,
        wait_until,
        ws::Ws,
    },
};

/// Every command that opens a database, with its flags.
const COMMANDS: [&[&str]; 7] = [
    &["serve", "--listen", "127.0.0.1:0"],
    &["migrate"],
    &["attach"],
    &["detach"],
    &["token", "create", "--name", "t", "--scope", "read"],
    &["token", "list"],
    &["token", "revoke", "t"],
];

/// A PgBouncer in front of the server that the tests use.
struct Pooler {
    _process: Child,
    _dir: TempDir,
    /// The database through it.
    pooled: Database,
    direct: Database,
}

impl Pooler {
    /// Starts one with these settings for a fresh database; none where the tests do not use
    /// PostgreSQL.
    async fn start(settings: &str) -> Option<Self> {
        if kind() != Kind::Postgres {
            return None;
        }
        let direct = Database::fresh().await;
        let (server, name) = direct.url.rsplit_once('/').unwrap();
        let (_, port) = server.rsplit_once(':').unwrap();
        let (dir, own_port) = (TempDir::new().unwrap(), free_port());
        let file = dir.path().join("pgbouncer.ini");
        fs::write(
            &file,
            format!(
                "[databases]\n* = host=127.0.0.1 port={port} user=test\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                 listen_port = {own_port}\nunix_socket_dir =\nauth_type = any\n{settings}\n"
            ),
        )
        .unwrap();
        // It refuses to run as root, and may read its file again as another user.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("pgbouncer");
        if fs::metadata(&file).unwrap().uid() == 0 {
            command.args(["-u", "postgres"]);
        }
        let process = command
            .arg(&file)
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("pgbouncer");
        wait_until(async || TcpStream::connect(("127.0.0.1", own_port)).await.is_ok()).await;
        let pooled = direct.by(format!("postgres://test@127.0.0.1:{own_port}/{name}"));
        Some(Self {
            _process: process,
            _dir: dir,
            pooled,
            direct,
        })
    }

    /// Checks that other clients find the sessions as PostgreSQL made them, whichever they get.
    async fn expect_untouched(&self) {
        let fresh = state(&mut connect(&self.direct).await).await;
        let mut clients = JoinSet::new();
        for _ in 0..4 {
            let mut client = connect(&self.pooled).await;
            clients.spawn(async move { state(&mut client).await });
        }
        for found in clients.join_all().await {
            assert_eq!(found, fresh);
        }
    }
}

/// Another client's connection.
async fn connect(database: &Database) -> PgConnection {
    let options: PgConnectOptions = database.url.parse().unwrap();
    options.extra_float_digits(None).connect().await.unwrap()
}

/// Everything that a session keeps: its settings, prepared statements, locks and channels. A
/// setting with a dot belongs to a library that some statement has loaded. Takes a moment, so that
/// several clients need a session each.
async fn state(client: &mut PgConnection) -> Vec<String> {
    let all = "SELECT name || '=' || setting FROM pg_settings WHERE name NOT LIKE '%.%' \
         UNION ALL SELECT statement FROM pg_prepared_statements \
         UNION ALL SELECT 'advisory lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() \
         UNION ALL SELECT pg_listening_channels() UNION ALL SELECT CAST(pg_sleep(0.1) AS text) ORDER BY 1";
    let rows = raw_sql(all).fetch_all(client).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Runs a command through the pooler and checks that it is refused for its mode.
async fn expect_refused(pooled: &Database, arguments: &[&str]) {
    let url = ["--database-url", &pooled.url];
    let (code, stdout, stderr) = run(&[arguments, &url].concat()).await;
    assert_eq!((code, &*stdout), (Some(1), ""), "{arguments:?}: {stderr}");
    for words in [
        "cannot open the database postgres://test@127.0.0.1:",
        ": a connection pooler in front of it, such as PgBouncer",
        "use session mode (pool_mode = session)",
    ] {
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
}

#[tokio::test]
async fn shared_sessions_are_refused_and_left_as_they_were() {
    for settings in [
        "pool_mode = transaction",
        "pool_mode = statement",
        // What is sent at a connection's start is swallowed.
        "pool_mode = transaction\nignore_startup_parameters = extra_float_digits, options",
        // Never the same session twice in a row.
        "pool_mode = transaction\nserver_round_robin = 1\nmin_pool_size = 2",
        "pool_mode = transaction\nserver_round_robin = 1\nmin_pool_size = 5",
        "pool_mode = transaction\ndefault_pool_size = 1",
        "pool_mode = transaction\nserver_reset_query_always = 1",
    ] {
        let Some(pooler) = Pooler::start(settings).await else {
            return;
        };
        for arguments in COMMANDS {
            expect_refused(&pooler.pooled, arguments).await;
        }
        let tables = "SELECT CAST(COUNT(*) AS text) FROM pg_tables WHERE schemaname = 'public'";
        let row = raw_sql(tables)
            .fetch_one(&mut connect(&pooler.direct).await)
            .await;
        assert_eq!(row.unwrap().get::<&str, _>(0), "0", "{settings}");
        pooler.expect_untouched().await;
    }
}

#[tokio::test]
async fn shared_sessions_are_found_while_others_use_the_pool() {
    let settings = "pool_mode = transaction\ndefault_pool_size = 4";
    let Some(pooler) = Pooler::start(settings).await else {
        return;
    };
    let mut others = JoinSet::new();
    for _ in 0..6 {
        let mut client = connect(&pooler.pooled).await;
        others.spawn(async move {
            loop {
                let work = raw_sql("BEGIN; SELECT pg_sleep(0.003); COMMIT");
                work.execute(&mut client).await.unwrap();
                sleep(Duration::from_millis(1)).await;
            }
        });
    }
    for _ in 0..20 {
        expect_refused(&pooler.pooled, &["migrate"]).await;
    }
    others.shutdown().await;
    pooler.expect_untouched().await;
}

#[tokio::test]
async fn session_mode_is_served_and_settings_end_with_the_session() {
    let Some(pooler) = Pooler::start("pool_mode = session").await else {
        return;
    };
    let mut server = Process::start(&pooler.pooled, &[]).await;
    let client = Client::new(server.address);
    let build = client.add_build("b").await;
    let (stepid, _) = client.new_step(build, "s").await;
    let mut ws = Ws::connect(server.address).await;
    ws.subscribe(&after(&newest_cursor(&client).await)).await;
    client.set_state(stepid, "pooled").await;
    assert_eq!(ws.event().await["step"]["stateString"], "pooled");
    pooler.expect_untouched().await;
    server.signal("TERM").await;
    assert!(server.exit_status(TIMEOUT).await.success());
    pooler.expect_untouched().await;
    // Sessions that were used before are used again.
    let server = Process::start(&pooler.pooled, &[]).await;
    let (_, number) = Client::new(server.address).new_step(build, "again").await;
    assert!(!number.is_empty());
    server.kill().await;
    pooler.expect_untouched().await;
}
