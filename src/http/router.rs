//! Every route, and every layer that a request passes on its way to one.

use axum::{Router, middleware::from_fn_with_state, routing};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer, Predicate,
        predicate::{NotForContentType, SizeAbove},
    },
};

use crate::{
    app::App,
    graphql::api::Api,
    http::{
        cors, graphiql,
        graphql::endpoint,
        ops, panic_boundary,
        request_context::authenticate,
        request_log::{RequestLog, log_request},
        response_headers, rest,
    },
};

/// The smallest answer that is compressed, in bytes: smaller ones hardly shrink.
const MIN_COMPRESSED: u16 = 1_024;

/// The routes in their layers. A layer wraps all that was added before it, so that a request
/// passes the layers below from the last to the first, and its answer from the first to the last.
pub(crate) fn router(api: Api) -> Router {
    let app = api.app().clone();
    let is_tls = app.config.connection.is_tls();
    let cors = |policy| from_fn_with_state((app.config.clone(), policy), cors::apply);
    let graphql = routing::get(endpoint::get)
        .post(endpoint::post)
        .options(cors::graphql_options)
        // Inside CORS, so that a page can read this error too.
        .layer(panic_boundary::graphql())
        // Pages of allowed origins can read what the endpoint answers.
        .layer(cors(&cors::GRAPHQL));
    let rest = rest::routes(app.clone())
        .layer(panic_boundary::rest())
        // Pages of other origins are refused.
        .layer(cors(&cors::REST));
    let limited = Router::new()
        .route("/graphql", graphql)
        .with_state(api.clone())
        .merge(rest)
        // Inside authentication: the points are the caller's.
        .layer(from_fn_with_state(
            api.clone(),
            response_headers::rate_limit,
        ));
    let authenticated = Router::new()
        .route("/metrics", routing::get(ops::metrics))
        .with_state(api.clone())
        .merge(limited)
        // The context that all of these routes take.
        .layer(from_fn_with_state(api.clone(), authenticate));
    authenticated
        .route("/healthz", routing::get(ops::healthz))
        .route("/readyz", routing::get(ops::readyz).with_state(api))
        .merge(pages(&app))
        // For what panics in the layers above, and in routes that have no form of their own.
        .layer(panic_boundary::plain())
        // For clients that take gzip.
        .layer(compression())
        // Outside of the pages, which have a policy of their own that stays.
        .layer(response_headers::security(is_tls))
        // Outermost: it counts and logs every answer, and names each request first.
        .layer(from_fn_with_state(RequestLog::new(app), log_request))
}

fn pages(app: &App) -> Router {
    if app.config.limit.no_graphiql {
        Router::new()
    } else {
        graphiql::routes()
    }
}

fn compression() -> CompressionLayer<impl Predicate> {
    // An event of a stream must not wait in the compressor for the next one.
    let predicate = SizeAbove::new(MIN_COMPRESSED).and(NotForContentType::SSE);
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(predicate)
}
