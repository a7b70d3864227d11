//! A server in this process, over a fresh database or a copy of one.

use std::{net::SocketAddr, path::Path, time::Duration};

use buildbot_graphql::testing::{Clock, OnStatement, ServerHandle, TestServer};
use tokio::{task::JoinHandle, time::timeout};

use super::{client::Client, database::Database, sql::Sql, ws::Ws};

/// Lets everybody write, and ask for more than a caller usually may.
pub(crate) const WITHOUT_LIMITS: [&str; 6] = [
    "--anonymous",
    "write",
    "--max-cost",
    "10000000",
    "--max-values",
    "100000000",
];

/// Has every row read from the database, for tests that break it or watch its statements.
pub(crate) const WITHOUT_CACHE: [&str; 2] = ["--cache-bytes", "0"];

/// A server that stops when dropped.
pub(crate) struct Server {
    pub(crate) handle: ServerHandle,
    pub(crate) address: SocketAddr,
    pub(crate) database: Database,
    running: Option<JoinHandle<()>>,
}

impl Server {
    /// A server over a fresh database that lets everybody write.
    pub(crate) async fn start() -> Self {
        Self::with_flags(&["--anonymous", "write"]).await
    }

    /// The same with these flags.
    pub(crate) async fn with_flags(flags: &[&str]) -> Self {
        Self::build(flags, None, Clock::System, None).await
    }

    /// A server over a copy of a database.
    pub(crate) async fn over_copy_of(database: &Path, flags: &[&str]) -> Self {
        Self::build(flags, Some(database), Clock::System, None).await
    }

    /// A server with everything configurable. `on_statement` receives each statement's text, and
    /// every row is read by a statement unless `flags` say how many are kept.
    pub(crate) async fn build(
        flags: &[&str],
        database: Option<&Path>,
        clock: Clock,
        on_statement: Option<OnStatement>,
    ) -> Self {
        let database = match database {
            Some(file) => Database::copy_of(file),
            None => Database::fresh().await,
        };
        Self::on(database, flags, clock, on_statement).await
    }

    /// A server over this database.
    pub(crate) async fn on(
        database: Database,
        flags: &[&str],
        clock: Clock,
        on_statement: Option<OnStatement>,
    ) -> Self {
        let mut arguments = vec!["test", "--database-url", database.url.as_str()];
        arguments.extend(flags);
        // A test sends more than one caller's share, unless it tests that limit.
        if !flags.contains(&"--rate-points") {
            arguments.extend(["--rate-points", "0"]);
        }
        if on_statement.is_some() && !flags.contains(&"--cache-bytes") {
            arguments.extend(WITHOUT_CACHE);
        }
        let started = TestServer::start(&arguments, clock, on_statement).await;
        let TestServer {
            handle,
            address,
            serving,
        } = started.unwrap();
        Self {
            handle,
            address,
            database,
            running: Some(serving),
        }
    }

    /// Another server over the same database.
    pub(crate) async fn peer(&self, flags: &[&str]) -> Self {
        Self::on(self.database.clone(), flags, Clock::System, None).await
    }

    /// A client of the GraphQL endpoint.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// A client at another address, for a server that takes addresses from a header.
    pub(crate) fn client_at(&self, address: &str) -> Client {
        self.client().with("x-forwarded-for", address)
    }

    /// A socket that is ready to subscribe.
    pub(crate) async fn ws(&self) -> Ws {
        Ws::connect(self.address).await
    }

    /// A second connection to the database, as another process would have it.
    pub(crate) async fn sql(&self) -> Sql {
        Sql::open(&self.database).await
    }

    /// Stops the server and waits until it has stopped.
    pub(crate) async fn stop(mut self) {
        self.handle.stop();
        let running = self.running.take().unwrap();
        timeout(Duration::from_secs(20), running)
            .await
            .unwrap()
            .unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.stop();
    }
}
