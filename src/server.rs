//! The life of a server: open, background tasks, serve, drain, close.

pub(crate) mod signal;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket},
    time::timeout,
};

use crate::{
    app::App,
    clock::Clock,
    config::{Config, database::DEMO_URL},
    domain::command_error::CommandError,
    feed::{attachment, tail},
    graphql::api::Api,
    http::{
        listener::{accept_loop::Listener, tls::Tls},
        router::router,
    },
    service::retention,
    store::{
        db::{
            connect::{PendingMigrations, connect},
            health,
        },
        demo_run,
    },
};

/// How long requests, sockets and tasks have to end once the server is to stop.
const GRACE: Duration = Duration::from_secs(8);
/// How long the database's connections have to close. One may be held for good: sqlx tests each
/// connection that a cancelled query gives back, without a timeout.
const CLOSING: Duration = Duration::from_secs(2);
/// How many connections may wait to be accepted: thousands may come at once, as after a restart.
const BACKLOG: u32 = 4_096;
/// The limit of open files, sockets included, that the server asks the system for.
const MAX_FILES: u64 = 1 << 20;

/// A server that listens but does not serve yet.
pub(crate) struct Server {
    api: Api,
    listener: TcpListener,
    /// `None` serves plain HTTP.
    tls: Option<Tls>,
    /// Where it listens, with the port that the system chose.
    address: SocketAddr,
}

impl Server {
    /// Opens the database and the port.
    ///
    /// # Errors
    /// What is configured cannot be read, opened or listened on.
    pub(crate) async fn open(mut config: Config) -> Result<Self, CommandError> {
        let pending = if config.no_migrate {
            PendingMigrations::Refuse
        } else {
            PendingMigrations::Apply
        };
        // Before anything is made or changed.
        config.check().map_err(CommandError::Config)?;
        // First, so that a wrong certificate does not leave a migrated database behind.
        let tls = Tls::load(&config.connection)?;
        if config.demo {
            let url = &mut config.database.database_url;
            url.get_or_insert_with(|| DEMO_URL.to_owned());
            demo_run::claim(&config.database).await?;
        }
        let db = connect(&config.database, pending).await?;
        let address = config.http.listen;
        let listen_error = |source| CommandError::Listen { address, source };
        let listener = listen(address).map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let app = App::new(config, db, Clock::System).await?;
        Ok(Self {
            api: Api::new(app)?,
            listener,
            tls,
            address,
        })
    }

    pub(crate) fn app(&self) -> &App {
        self.api.app()
    }

    /// The text that is printed at the start: the server's addresses, and a first request to try.
    pub(crate) fn greeting(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let (version, local) = (env!("CARGO_PKG_VERSION"), self.address);
        let app = self.app();
        let database = match (app.db.is_buildbots(), app.feed.epoch()) {
            (false, _) => match app.db.writability() {
                Ok(()) => String::new(),
                Err(why) => format!("\n  database  {why}"),
            },
            (true, Ok(_)) => {
                "\n  database  a Buildbot master's: queries and subscriptions".to_owned()
            }
            (true, Err(why)) => {
                format!("\n  database  a Buildbot master's, queries alone: {why}")
            }
        };
        format!(
            "\
buildbot-graphql {version}
  GraphiQL  {scheme}://{local}/graphiql
  GraphQL   {scheme}://{local}/graphql  (POST, GET, WebSocket, SSE, multipart)
  health    {scheme}://{local}/healthz  {scheme}://{local}/readyz{database}
Try:
  curl -s {scheme}://{local}/graphql -H 'Content-Type: application/json' \\
    -d '{{\"query\":\"{{ builds(last: 1) {{ nodes {{ number builder {{ name }} steps {{ number name stateString results }} }} }} }}\"}}'"
        )
    }

    /// Makes signals stop the server and reload its certificate.
    pub(crate) fn handle_signals(&self) -> Result<(), CommandError> {
        let address = self.app().config.http.listen;
        let stop = &self.app().stop;
        signal::stop_on_signal(stop)
            .and_then(|()| signal::reload_on_signal(stop, self.tls.clone()))
            .map_err(|source| CommandError::Listen { address, source })
    }

    /// Serves until the server is stopped.
    pub(crate) async fn run(self) {
        serve(self.api, self.listener, self.tls).await;
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    if let Err(error) = rlimit::increase_nofile_limit(MAX_FILES) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Connections of the previous server may still occupy the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `app.stop` is cancelled, then lets what runs finish, and closes the database.
pub(crate) async fn serve(api: Api, listener: TcpListener, tls: Option<Tls>) {
    let app = api.app().clone();
    spawn_background_tasks(&app);
    let connections = Arc::new(Listener::new(app.clone(), router(api), tls));
    connections.accept(listener).await;
    drain(&app, &connections).await;
    if timeout(CLOSING, app.db.close()).await.is_err() {
        tracing::warn!("the database's connections did not close in time");
    }
}

fn spawn_background_tasks(app: &App) {
    let (tasks, feed) = (&app.tasks, &app.feed);
    tasks.spawn(tail::run(feed.clone()));
    tasks.spawn(retention::run(app.clone()));
    tasks.spawn(app.access.clone().run(app.stop.clone()));
    tasks.spawn(health::run(app.db.clone(), app.stop.clone()));
    // Our own database always has its feed; a master's may get or lose it at any time.
    if app.db.is_buildbots() {
        tasks.spawn(attachment::run(feed.clone()));
    }
}

/// Waits for open connections and running tasks, and cuts off those that take too long.
async fn drain(app: &App, connections: &Listener) {
    // Waiting on a tracker that is not closed never ends.
    app.tasks.close();
    connections.open.close();
    let all = async {
        // Connections first: a request may still start a task.
        connections.open.wait().await;
        app.tasks.wait().await;
    };
    if timeout(GRACE, all).await.is_err() {
        tracing::warn!("some requests or tasks did not end in time and are cut off");
        connections.cut.cancel();
    }
}
