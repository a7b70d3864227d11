//! The routes of the server.

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

use axum::{Router, middleware::from_fn_with_state, routing};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer, Predicate,
        predicate::{NotForContentType, SizeAbove},
    },
};

use crate::graphql::api::Api;

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
