//! The server: routes, and the way in and out. One function serves production, tests and benches.

pub(crate) mod client_address;
pub(crate) mod cors;
pub(crate) mod error_status;
pub(crate) mod graphiql;
pub(crate) mod graphql;
pub(crate) mod listener;
pub(crate) mod ops;
pub(crate) mod request_context;
pub(crate) mod request_log;
pub(crate) mod response_headers;
pub(crate) mod rest;
pub(crate) mod websocket;

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

use crate::{
    app::App,
    feed,
    graphql::api::Api,
    http::listener::{accept_loop::Listener, tls::Tls},
};

/// How long running requests, sockets and tasks have to end once the server is told to stop.
const GRACE: Duration = Duration::from_secs(8);
/// The smallest answer that is compressed, in bytes: below, it hardly gets smaller.
const MIN_COMPRESSED: u16 = 1_024;

/// Every route of this server.
pub(crate) fn router(api: Api) -> Router {
    let watched = crate::http::request_log::RequestLog::new(api.app().clone());
    let pages = if api.app().config.limit.no_graphiql {
        Router::new()
    } else {
        crate::http::graphiql::routes()
    };
    let endpoint = routing::get(crate::http::graphql::endpoint::get)
        .post(crate::http::graphql::endpoint::post)
        .options(crate::http::cors::options)
        .layer(from_fn_with_state(api.clone(), crate::http::cors::share));
    let counted = Router::new()
        .route("/graphql", endpoint)
        .with_state(api.clone())
        .merge(rest::router(api.app().clone()))
        .layer(from_fn_with_state(
            api.clone(),
            crate::http::response_headers::rate,
        ));
    Router::new()
        .route("/metrics", routing::get(crate::http::ops::metrics))
        .with_state(api.clone())
        .merge(counted)
        .layer(from_fn_with_state(
            api.clone(),
            crate::http::request_context::authenticate,
        ))
        .route("/healthz", routing::get(crate::http::ops::healthz))
        .route(
            "/readyz",
            routing::get(crate::http::ops::readyz).with_state(api.clone()),
        )
        .merge(pages)
        .layer(compression())
        .layer(from_fn_with_state(
            api.clone(),
            crate::http::response_headers::secure,
        ))
        .layer(from_fn_with_state(
            api,
            crate::http::request_context::identify,
        ))
        .layer(from_fn_with_state(watched, crate::http::request_log::watch))
}

/// For clients that take gzip; an event of a stream is not to wait for the next.
fn compression() -> CompressionLayer<impl Predicate> {
    let worth = SizeAbove::new(MIN_COMPRESSED).and(NotForContentType::SSE);
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(worth)
}

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
