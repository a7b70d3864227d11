//! The life of a server: open, background tasks, serve, drain, close.

pub(crate) mod signal;
pub(crate) mod summary;

use std::{sync::Arc, time::Duration};

use futures_util::future::{join, join_all};
use tokio::time::timeout;

use crate::{
    app::App,
    clock::Clock,
    config::Config,
    domain::command_error::CommandError,
    feed::{attachment, tail},
    graphql::{api::Api, prepare::trusted_documents::check_documents},
    http::{
        listener::{
            accept_loop::Listener,
            socket::{self, BoundSocket, ListeningSocket},
            tls::Tls,
        },
        router::{ops_router, router},
    },
    server::summary::Summary,
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
/// The limit of open files, sockets included, that the server asks the system for.
const MAX_FILES: u64 = 1 << 20;

/// A server that listens but does not serve yet.
pub(crate) struct Server {
    api: Api,
    listeners: Vec<ListeningSocket>,
    /// Those of `--ops-listen`.
    ops: Vec<ListeningSocket>,
    /// `None` serves plain HTTP.
    tls: Option<Tls>,
}

impl Server {
    /// Opens the database and the port.
    ///
    /// # Errors
    /// What is configured cannot be read, opened or listened on.
    pub(crate) async fn open(config: Config) -> Result<Self, CommandError> {
        let pending = if config.no_migrate {
            PendingMigrations::Refuse
        } else {
            PendingMigrations::Apply
        };
        // First, so that what is wrong does not leave a migrated database behind.
        let tls = Tls::load(&config.connection)?;
        check_documents(&config.limit)?;
        raise_file_limit();
        let bound = socket::bind(&config.http.listen).await?;
        let ops = match &config.http.ops_listen {
            Some(listen) => socket::bind(listen).await?,
            None => Vec::new(),
        };
        if config.demo {
            demo_run::claim(&config.database).await?;
        }
        let db = connect(&config.database, pending).await?;
        let app = App::new(config, db, Clock::System).await?;
        let api = Api::new(app)?;
        let listen = |bound: Vec<_>| bound.into_iter().map(BoundSocket::listen).collect();
        let (listeners, ops): (Result<_, _>, Result<_, _>) = (listen(bound), listen(ops));
        Ok(Self {
            api,
            listeners: listeners?,
            ops: ops?,
            tls,
        })
    }

    pub(crate) fn app(&self) -> &App {
        self.api.app()
    }

    /// What the server says of itself when it starts.
    ///
    /// # Errors
    /// The database URL cannot be read.
    pub(crate) async fn summary(&self) -> Result<Summary, CommandError> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Summary::of(self.app(), &self.listeners, &self.ops, scheme).await
    }

    /// Makes signals stop the server and reload its certificate.
    pub(crate) fn handle_signals(&self) -> Result<(), CommandError> {
        let address = self.app().config.http.listen.to_string();
        let stop = &self.app().stop;
        signal::stop_on_signal(stop)
            .and_then(|()| signal::reload_on_signal(stop, self.tls.clone()))
            .map_err(|source| CommandError::Listen { address, source })
    }

    /// Serves until the server is stopped.
    pub(crate) async fn run(self) {
        serve(self.api, self.listeners, self.ops, self.tls).await;
    }
}

fn raise_file_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(MAX_FILES) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// Serves until `app.stop` is cancelled, then lets what runs finish, and closes the database.
pub(crate) async fn serve(
    api: Api,
    listeners: Vec<ListeningSocket>,
    ops: Vec<ListeningSocket>,
    tls: Option<Tls>,
) {
    let app = api.app().clone();
    spawn_background_tasks(&app);
    let listener = |router| Arc::new(Listener::new(app.clone(), router, tls.clone()));
    // Their own connections: operators can look while callers have taken all.
    let [main, for_ops] = [
        listener(router(&api, tls.clone())),
        listener(ops_router(&api, tls.clone())),
    ];
    let main_sockets = listeners.into_iter().map(|socket| main.accept(socket));
    let ops_sockets = ops.into_iter().map(|socket| for_ops.accept(socket));
    join(join_all(main_sockets), join_all(ops_sockets)).await;
    drain(&app, &[&main, &for_ops]).await;
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
async fn drain(app: &App, listeners: &[&Listener]) {
    // Waiting on a tracker that is not closed never ends.
    app.tasks.close();
    let open = listeners.iter().map(|listener| {
        listener.open.close();
        listener.open.wait()
    });
    let all = async {
        // Connections first: a request may still start a task.
        join_all(open).await;
        app.tasks.wait().await;
    };
    if timeout(GRACE, all).await.is_err() {
        tracing::warn!("some requests or tasks did not end in time and are cut off");
        for listener in listeners {
            listener.cut.cancel();
        }
    }
}
