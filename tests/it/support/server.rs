//! A server in this process, over a fresh database or a copy of one.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use buildbot_graphql::{
    app::App,
    clock::Clock,
    config::Config,
    http,
    store::{Db, OnPending},
};
use clap::Parser;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};

use super::{client::Client, sql::Sql, ws::Ws};

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    config: Config,
}

/// A server that stops when dropped.
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) address: SocketAddr,
    pub(crate) file: PathBuf,
    _dir: TempDir,
    running: Option<JoinHandle<std::io::Result<()>>>,
}

impl Server {
    /// A server over a fresh database, where everybody may write.
    pub(crate) async fn start() -> Self {
        Self::with(&["--anonymous", "write"]).await
    }

    /// The same with these flags.
    pub(crate) async fn with(flags: &[&str]) -> Self {
        Self::build(flags, None, Clock::System, |_| {}).await
    }

    /// Over a copy of a database.
    pub(crate) async fn over(database: &Path, flags: &[&str]) -> Self {
        Self::build(flags, Some(database), Clock::System, |_| {}).await
    }

    /// With everything there is to choose; `watch` sees the database before it is used.
    pub(crate) async fn build(
        flags: &[&str],
        database: Option<&Path>,
        clock: Clock,
        watch: impl FnOnce(&mut Db),
    ) -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("steps.sqlite");
        if let Some(database) = database {
            std::fs::copy(database, &file).unwrap();
        }
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let mut args = vec!["test", "--listen", "127.0.0.1:0", "--database-url", &url];
        args.extend(flags);
        let config = Args::parse_from(args).config;
        let mut db = Db::connect(&config.database, OnPending::Apply)
            .await
            .unwrap();
        watch(&mut db);
        let app = App::new(config, db, clock).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let running = tokio::spawn(http::serve(app.clone(), listener));
        Self {
            app,
            address,
            file,
            _dir: dir,
            running: Some(running),
        }
    }

    /// A client of its GraphQL endpoint.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// A socket that is ready to subscribe.
    pub(crate) async fn ws(&self) -> Ws {
        Ws::connect(self.address).await
    }

    /// Another connection to its database, as another process would have.
    pub(crate) async fn sql(&self) -> Sql {
        Sql::open(&self.file).await
    }

    /// Stops it, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.app.stop.cancel();
        let running = self.running.take().unwrap();
        timeout(Duration::from_secs(20), running)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.app.stop.cancel();
    }
}
