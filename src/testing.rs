//! The server as this crate's tests and benches start it: inside their own process, with a clock
//! and a view of its statements. Everything else they do over HTTP and the command line.
//!
//! Errors are the messages that the command line would print.

use std::net::{IpAddr, SocketAddr};

use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    app::App,
    auth::request_context::RequestContext,
    config::Config,
    demo,
    domain::{command_error::CommandError, error::Error},
    graphql::api::Api,
    http::listener::{socket::ListeningSocket, tls::Tls},
    server, service,
    store::db::connect::{PendingMigrations, connect},
};

pub use crate::{
    auth::{scope::Scope, token::PlainToken},
    cli::arguments::command as command_line,
    clock::Clock,
    domain::time::format as format_time,
    graphql::schema::sdl,
};

/// Called with the text of each statement that reads or writes.
pub type OnStatement = Box<dyn Fn(&str) + Send + Sync>;

/// Reads flags of `serve`; the first argument is the program's name.
///
/// # Errors
/// A flag is unknown, or its value wrong.
pub fn check_flags(arguments: &[&str]) -> Result<(), String> {
    Config::parse(arguments).map(drop)
}

/// Loads the certificate and key that flags of `serve` name. Returns whether there are any.
///
/// # Errors
/// They cannot be read.
pub fn load_tls(arguments: &[&str]) -> Result<bool, String> {
    let config = Config::parse(arguments)?;
    let tls = Tls::load(&config.connection);
    tls.map(|tls| tls.is_some()).map_err(|e| e.to_string())
}

/// A server in this process.
#[derive(Debug)]
pub struct TestServer {
    /// What a test may observe and control.
    pub handle: ServerHandle,
    /// Where it listens.
    pub address: SocketAddr,
    /// Ends when the server has stopped.
    pub serving: JoinHandle<()>,
}

impl TestServer {
    /// Starts a server with these flags of `serve`, the first argument being the program's name. It
    /// listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// The server cannot start.
    pub async fn start(
        arguments: &[&str],
        clock: Clock,
        on_statement: Option<OnStatement>,
    ) -> Result<Self, String> {
        let config = Config::parse(arguments)?;
        let start = async {
            let tls = Tls::load(&config.connection)?;
            let mut db = connect(&config.database, PendingMigrations::Apply).await?;
            if let Some(on_statement) = on_statement {
                // Before `App::new` clones the database, or the clones would not report.
                db.on_statement(on_statement);
            }
            let app = App::new(config, db, clock).await?;
            Ok((tls, Api::new(app.clone())?, app))
        };
        let started: Result<_, CommandError> = start.await;
        let (tls, api, app) = started.map_err(|e| e.to_string())?;
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let listeners = vec![ListeningSocket::Tcp(listener, address)];
        Ok(Self {
            handle: ServerHandle(app),
            address,
            serving: tokio::spawn(server::serve(api, listeners, Vec::new(), tls)),
        })
    }
}

/// What a test may observe and control behind a server's front doors; it outlives the server.
#[derive(Clone, Debug)]
pub struct ServerHandle(App);

impl ServerHandle {
    /// Tells the server to stop.
    pub fn stop(&self) {
        self.0.stop.cancel();
    }

    /// How many tasks run beside the requests: background work, sockets, event streams, shared
    /// subscriptions.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.0.tasks.len()
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> i64 {
        self.0.metrics.connections.get()
    }

    /// How many connections were closed because there were too many.
    #[must_use]
    pub fn connections_refused(&self) -> u64 {
        self.0.metrics.connections_refused.get()
    }

    /// How many subscribers get live events.
    #[must_use]
    pub fn subscribers(&self) -> i64 {
        self.0.metrics.feed_subscribers.get()
    }

    /// How many shared subscriptions get live events.
    #[must_use]
    pub fn shared_subscriptions(&self) -> usize {
        self.0.feed.subscriber_count()
    }

    /// How many bytes requests, queues and snapshots hold.
    #[must_use]
    pub fn memory_held(&self) -> i64 {
        self.0.metrics.memory_held.get()
    }

    /// How many threads unpack or search logs.
    #[must_use]
    pub fn busy_log_workers(&self) -> usize {
        self.0.log_workers.busy()
    }

    /// Ends every live subscription with UNAVAILABLE.
    pub fn end_subscriptions(&self) {
        self.0.feed.end(&Error::Unavailable);
    }

    /// Drops old events from the feed. Returns how many it dropped.
    ///
    /// # Errors
    /// The database fails.
    pub async fn prune(&self) -> Result<u64, String> {
        self.0.feed.prune().await.map_err(|e| e.to_string())
    }

    /// Closes the database under the running server.
    pub async fn close_database(&self) {
        self.0.db.close().await;
    }

    /// Fills the database with the demo's builders and their history.
    ///
    /// # Errors
    /// The database fails, or is a Buildbot master's.
    pub async fn add_demo_history(&self) -> Result<(), String> {
        demo::add_history(&self.0).await.map_err(|e| e.to_string())
    }

    /// Creates a token in the server's database. Returns its text.
    ///
    /// # Errors
    /// The name is taken or breaks a rule, or the database fails.
    pub async fn create_token(&self, name: &str, scope: Scope) -> Result<String, String> {
        let created = service::token::create(&self.0.config.database, name, scope, None).await;
        let (token, _) = created.map_err(|e| e.to_string())?;
        Ok(token.reveal().to_owned())
    }

    /// Revokes a token in the server's database.
    ///
    /// # Errors
    /// There is no such token, or the database fails.
    pub async fn revoke_token(&self, name: &str) -> Result<(), String> {
        let revoked = service::token::revoke(&self.0.config.database, name).await;
        revoked.map_err(|e| e.to_string())
    }

    /// Takes points from anonymous callers of this address, whether they have them or not.
    pub fn charge(&self, address: IpAddr, points: u64) {
        let caller = self.0.access.anonymous();
        let context = RequestContext::new(caller, address, "".into(), false);
        self.0.rate_limiter.charge(&context, points);
    }
}
