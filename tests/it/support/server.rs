//! A server in this process, over a fresh database or a copy of one.

use std::{net::SocketAddr, path::Path, time::Duration};

use buildbot_graphql::{
    app::App,
    clock::Clock,
    config::Config,
    graphql::Api,
    http::{self, Tls},
    store::{Db, OnPending},
};
use clap::Parser;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};

use super::{client::Client, database::Database, sql::Sql, ws::Ws};

/// The flags of `serve`.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    config: Config,
}

impl Args {
    pub(crate) fn config(self) -> Config {
        self.config
    }
}

/// A server that stops when dropped.
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) address: SocketAddr,
    pub(crate) database: Database,
    running: Option<JoinHandle<()>>,
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
        let database = match database {
            Some(file) => Database::copy_of(file),
            None => Database::fresh().await,
        };
        Self::on(database, flags, clock, watch).await
    }

    /// Over this database.
    pub(crate) async fn on(
        database: Database,
        flags: &[&str],
        clock: Clock,
        watch: impl FnOnce(&mut Db),
    ) -> Self {
        let listen = ["test", "--listen", "127.0.0.1:0", "--database-url"];
        let mut args = [&listen[..], &[database.url.as_str()]].concat();
        args.extend(flags);
        // A test asks more than any caller's share, unless it is about that.
        if !flags.contains(&"--rate-points") {
            args.extend(["--rate-points", "0"]);
        }
        let config = Args::parse_from(args).config;
        let mut db = Db::connect(&config.database, OnPending::Apply)
            .await
            .unwrap();
        watch(&mut db);
        let app = App::new(config, db, clock).await.unwrap();
        let api = Api::new(app.clone()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Tls::load(&app.config.connection).unwrap();
        let running = tokio::spawn(http::serve(api, listener, tls));
        Self {
            app,
            address,
            database,
            running: Some(running),
        }
    }

    /// Another server over the same database.
    pub(crate) async fn beside(&self, flags: &[&str]) -> Self {
        Self::on(self.database.clone(), flags, Clock::System, |_| {}).await
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
        Sql::open(&self.database).await
    }

    /// Stops it, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.app.stop.cancel();
        let running = self.running.take().unwrap();
        timeout(Duration::from_secs(20), running)
            .await
            .unwrap()
            .unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.app.stop.cancel();
    }
}
