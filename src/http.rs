//! Everything that a client sends or receives.

pub(crate) mod accept;
pub(crate) mod client_address;
pub(crate) mod cors;
pub(crate) mod error_status;
pub(crate) mod graphiql;
pub(crate) mod graphql;
pub(crate) mod listener;
pub(crate) mod ops;
pub(crate) mod panic_boundary;
pub(crate) mod request_context;
pub(crate) mod request_log;
pub(crate) mod response_headers;
pub(crate) mod rest;
pub(crate) mod router;
pub(crate) mod websocket;

use std::{sync::Arc, time::Duration};

use tokio::{net::TcpListener, time::timeout};

use crate::{
    app::App,
    feed,
    graphql::api::Api,
    http::{
        listener::{accept_loop::Listener, tls::Tls},
        router::router,
    },
};

/// How long running requests, sockets and tasks have to end once the server is told to stop.
const GRACE: Duration = Duration::from_secs(8);

/// Serves until `app.stop` is cancelled, then lets what runs finish, and closes the database.
pub(crate) async fn serve(api: Api, listener: TcpListener, tls: Option<Tls>) {
    let app = api.app().clone();
    app.tasks.spawn(feed::tail::run(app.feed.clone()));
    app.tasks.spawn(prune(app.clone()));
    app.tasks.spawn(app.access.clone().watch(app.stop.clone()));
    if !app.db.is_writable() {
        app.tasks.spawn(feed::attachment::run(app.feed.clone()));
    }
    let door = Arc::new(Listener::new(app.clone(), router(api), tls));
    door.accept(listener).await;
    app.tasks.close();
    door.open.close();
    let all = async {
        door.open.wait().await;
        app.tasks.wait().await;
    };
    if timeout(GRACE, all).await.is_err() {
        tracing::warn!("some requests or tasks did not end in time and are cut off");
        door.cut.cancel();
    }
    app.db.close().await;
}

/// Drops old events, again and again.
async fn prune(app: App) {
    let pause = Duration::from_secs(app.config.feed.feed_prune_seconds.max(1));
    while app
        .stop
        .run_until_cancelled(tokio::time::sleep(pause))
        .await
        .is_some()
    {
        match app.feed.prune().await {
            Ok(0) => {}
            Ok(pruned) => tracing::info!(pruned, "old events are dropped from the feed"),
            Err(error) => {
                tracing::warn!(%error, "old events could not be dropped; it is tried again");
            }
        }
    }
}
