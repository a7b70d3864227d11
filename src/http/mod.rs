//! The server: routes, and the way in and out. One function serves production, tests and benches.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, middleware, routing, serve::ListenerExt};
use tokio::{net::TcpListener, time::timeout};

use crate::{app::App, feed, graphql::Api, rest};

mod call;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod graphql;
mod ide;
mod link;
mod ops;
mod origin;
mod protocol;
mod request;
mod running;
mod session;
mod socket;
mod sse;
mod ws;

/// How long running requests, sockets and tasks have to end once the server is told to stop.
const GRACE: Duration = Duration::from_secs(8);

/// Every route of this server.
pub fn router(api: Api) -> Router {
    let rest = rest::router(api.app().clone());
    let pages = if api.app().config.limit.no_graphiql {
        Router::new()
    } else {
        ide::routes()
    };
    Router::new()
        .route("/graphql", routing::get(graphql::get).post(graphql::post))
        .route("/healthz", routing::get(ops::healthz))
        .route("/readyz", routing::get(ops::readyz))
        .route("/metrics", routing::get(ops::metrics))
        .merge(pages)
        .with_state(api.clone())
        .merge(rest)
        .layer(middleware::from_fn_with_state(api, call::identify))
}

/// Serves until `app.stop` is cancelled, then lets what runs finish, and closes the database.
///
/// # Errors
/// The listener fails.
pub async fn serve(api: Api, listener: TcpListener) -> std::io::Result<()> {
    let app = api.app().clone();
    app.tasks.spawn(feed::tail::run(app.feed.clone()));
    app.tasks.spawn(prune(app.clone()));
    if !app.db.is_writable() {
        app.tasks.spawn(feed::attached::run(app.feed.clone()));
    }
    // An event is one small frame: it must not wait for a second one.
    let listener = listener.tap_io(|socket| {
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a socket without TCP_NODELAY");
        }
    });
    let stopping = app.stop.clone().cancelled_owned();
    let service = router(api).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(stopping);
    let mut server = std::pin::pin!(server.into_future());
    let ended = tokio::select! {
        ended = &mut server => Some(ended),
        () = app.stop.cancelled() => None,
    };
    app.stop.cancel();
    app.tasks.close();
    let all = async {
        let outcome = match ended {
            Some(outcome) => outcome,
            None => server.await,
        };
        app.tasks.wait().await;
        outcome
    };
    let outcome = timeout(GRACE, all).await.unwrap_or_else(|_| {
        tracing::warn!("some requests or tasks did not end in time and are cut off");
        Ok(())
    });
    app.db.close().await;
    outcome
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
