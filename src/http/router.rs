//! Every route, and every layer that a request passes on the way to its route.

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing,
};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer, Predicate,
        predicate::{NotForContentType, SizeAbove},
    },
};

use crate::{
    app::App,
    config::listen::ListenAddress,
    graphql::api::Api,
    http::{
        cors, graphiql,
        graphql::endpoint,
        head_limit::limit_head,
        held_body::hold_answer,
        host::{HostCheck, require_host},
        listener::tls::Tls,
        ops::{self, OpsState},
        page, panic_boundary,
        request_context::authenticate,
        request_log::{RequestLog, log_request},
        response_headers::{self, no_store},
        rest,
    },
};

/// The smallest answer that is compressed, in bytes; smaller ones hardly shrink.
const MIN_COMPRESSED: u16 = 1_024;

/// Builds the routes of `--listen` and their layers. A layer wraps everything added before it, so a
/// request passes the layers below from last to first, and its answer from first to last.
pub(crate) fn router(api: &Api, tls: Option<Tls>) -> Router {
    let app = api.app().clone();
    let cors = |policy| from_fn_with_state((app.config.clone(), policy), cors::apply);
    let graphql = routing::get(endpoint::get).post(endpoint::post);
    let streams = from_fn_with_state(api.clone(), endpoint::require_stream);
    let streams = graphql.clone().route_layer(streams);
    let graphql = Router::new()
        .route("/graphql", graphql.options(cors::graphql_options))
        .route("/graphql/stream", streams.options(cors::graphql_options))
        // Inside CORS, so that a page can read this error too.
        .layer(panic_boundary::graphql())
        // Lets pages of allowed origins read the endpoint's answers.
        .layer(cors(&cors::GRAPHQL));
    let rest = rest::routes(app.clone())
        .layer(panic_boundary::rest())
        // Refuses pages of other origins.
        .layer(cors(&cors::REST));
    let limited = graphql
        .with_state(api.clone())
        .merge(rest)
        // Inside authentication, because points are counted per caller.
        .layer(from_fn_with_state(
            api.clone(),
            response_headers::rate_limit,
        ));
    let routes = authenticated(api, limited).merge(pages(&app));
    let http = &app.config.http;
    let routes = if http.ops_listen.is_some() {
        routes.merge(health())
    } else {
        routes.merge(ops(api))
    };
    outermost(api, tls, &http.listen, routes)
}

/// Builds the routes of `--ops-listen` and their layers.
pub(crate) fn ops_router(api: &Api, tls: Option<Tls>) -> Router {
    let http = &api.app().config.http;
    let listen = http.ops_listen.as_ref().unwrap_or(&http.listen);
    outermost(api, tls, listen, ops(api))
}

fn ops(api: &Api) -> Router {
    let state = OpsState::new(api.clone());
    let metrics = routing::get(ops::metrics).with_state(state.clone());
    let ready = routing::get(ops::readyz).with_state(state);
    let ready = Router::new().route("/readyz", ready).layer(no_store());
    let metrics = Router::new().route("/metrics", metrics).layer(no_store());
    authenticated(api, metrics).merge(ready).merge(health())
}

fn health() -> Router {
    Router::new()
        .route("/healthz", routing::get(ops::healthz))
        .layer(no_store())
}

/// Adds the layers of routes that want to know who is calling.
fn authenticated(api: &Api, routes: Router) -> Router {
    // Inserts the context that all of these routes extract.
    routes.layer(from_fn_with_state(api.clone(), authenticate))
}

/// Adds the layers of every route of this address.
fn outermost(api: &Api, tls: Option<Tls>, listen: &ListenAddress, routes: Router) -> Router {
    let app = api.app().clone();
    let (config, memory) = (app.config.clone(), app.memory.clone());
    let is_tls = config.connection.is_tls();
    let hosts = HostCheck {
        takes_any: config.takes_any_host(listen),
        config,
        tls,
    };
    routes
        // For panics in the layers above, and in routes without an error format of their own.
        .layer(panic_boundary::plain())
        // Inside the compression, which holds an answer until its client takes it.
        .layer(from_fn_with_state(memory, hold_answer))
        // For clients that accept gzip or zstd.
        .layer(compression())
        // Before everything that reads `Host`, and everything that costs something.
        .layer(from_fn_with_state(hosts, require_host))
        .layer(from_fn(limit_head))
        // Outside of the pages: their own policy is already set, and this keeps it.
        .layer(response_headers::security(is_tls))
        // Outermost, so that it counts and logs every answer and all layers log the request's id.
        .layer(from_fn_with_state(RequestLog::new(app), log_request))
}

fn pages(app: &App) -> Router {
    let http = &app.config.http;
    match (!http.no_page, !http.no_graphiql) {
        (true, true) => page::routes(true).merge(graphiql::routes()),
        (true, false) => page::routes(false),
        (false, true) => graphiql::routes().merge(graphiql::root_routes()),
        (false, false) => Router::new(),
    }
}

fn compression() -> CompressionLayer<impl Predicate> {
    // An event must not wait in the compressor's buffer for the next one.
    let predicate = SizeAbove::new(MIN_COMPRESSED)
        .and(NotForContentType::SSE)
        .and(NotForContentType::const_new("multipart/mixed"));
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(predicate)
}
