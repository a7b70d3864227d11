//! The server: routes, and the way in and out. One function serves production, tests and benches.

use std::{sync::Arc, time::Duration};

use axum::{Router, middleware::from_fn_with_state, routing};
use tokio::{net::TcpListener, time::timeout};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer, Predicate,
        predicate::{NotForContentType, SizeAbove},
    },
};

use crate::{app::App, feed, graphql::Api, rest};

mod address;
mod call;
mod connection;
mod graphql;
mod headers;
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
mod stream;
mod tls;
mod watch;
mod ws;

use connection::Door;
pub use tls::Tls;

/// How long running requests, sockets and tasks have to end once the server is told to stop.
const GRACE: Duration = Duration::from_secs(8);
/// The smallest answer that is compressed, in bytes: below, it hardly gets smaller.
const MIN_COMPRESSED: u16 = 1_024;

/// Every route of this server.
pub fn router(api: Api) -> Router {
    let endpoint = routing::get(graphql::get)
        .post(graphql::post)
        .options(origin::options)
        .layer(from_fn_with_state(api.clone(), origin::share));
    let counted = Router::new()
        .route("/graphql", endpoint)
        .with_state(api.clone())
        .merge(rest::router(api.app().clone()))
        .layer(from_fn_with_state(api.clone(), headers::rate));
    let watched = watch::Watch::new(api.app().clone());
    let pages = if api.app().config.limit.no_graphiql {
        Router::new()
    } else {
        ide::routes()
    };
    Router::new()
        .route("/healthz", routing::get(ops::healthz))
        .route("/readyz", routing::get(ops::readyz))
        .route("/metrics", routing::get(ops::metrics))
        .merge(pages)
        .with_state(api.clone())
        .merge(counted)
        .layer(compression())
        .layer(from_fn_with_state(api.clone(), headers::secure))
        .layer(from_fn_with_state(api, call::identify))
        .layer(from_fn_with_state(watched, watch::watch))
        .with_state(())
}

/// For clients that take gzip; an event of a stream is not to wait for the next.
fn compression() -> CompressionLayer<impl Predicate> {
    let worth = SizeAbove::new(MIN_COMPRESSED).and(NotForContentType::SSE);
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(worth)
}

/// Serves until `app.stop` is cancelled, then lets what runs finish, and closes the database.
pub async fn serve(api: Api, listener: TcpListener, tls: Option<Tls>) {
    let app = api.app().clone();
    app.tasks.spawn(feed::tail::run(app.feed.clone()));
    app.tasks.spawn(prune(app.clone()));
    if !app.db.is_writable() {
        app.tasks.spawn(feed::attached::run(app.feed.clone()));
    }
    let door = Arc::new(Door::new(app.clone(), router(api), tls));
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
