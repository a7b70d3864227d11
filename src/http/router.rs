//! Every route, and every layer that a request passes on the way to its route.

use std::sync::Arc;

use axum::{Router, middleware::from_fn_with_state, routing};

use crate::{
    app::App,
    config::listen::ListenAddress,
    graphql::api::Api,
    http::{
        compression::{gzip, zstd_of_files},
        cors,
        entrance::{Entrance, enter},
        graphiql,
        graphql::endpoint,
        held_body::hold_answer,
        host::HostCheck,
        listener::tls::Tls,
        ops::{self, OpsState},
        page, panic_boundary,
        request_context::{CallerGate, authenticate},
        request_log::RequestLog,
        response_headers::no_store,
        rest,
    },
};

/// Builds the routes of `--listen` and their layers. A call of `layer` wraps everything added
/// before it, so a request passes the calls below from last to first; within one, it passes the
/// layers from first to last. Its answer goes the other way. Each call boxes the routes anew, so
/// there are few.
pub(crate) fn router(api: &Api, tls: Option<Tls>) -> Router {
    let app = api.app().clone();
    let cors = |policy| from_fn_with_state((app.config.clone(), policy), cors::apply);
    let graphql = routing::get(endpoint::get).post(endpoint::post);
    let streams = from_fn_with_state(api.clone(), endpoint::require_stream);
    let streams = graphql.clone().route_layer(streams);
    let graphql = Router::new()
        .route("/graphql", graphql.options(cors::graphql_options))
        .route("/graphql/stream", streams.options(cors::graphql_options))
        .layer((
            // Lets pages of allowed origins read the endpoint's answers.
            cors(&cors::GRAPHQL),
            // Inside CORS, so that a page can read this error too.
            panic_boundary::graphql(),
        ));
    let rest = rest::routes(app.clone()).layer((
        // Refuses pages of other origins.
        cors(&cors::REST),
        panic_boundary::rest(),
        zstd_of_files(),
    ));
    let limited = graphql.with_state(api.clone()).merge(rest);
    let routes = authenticated(api, limited, true).merge(pages(&app));
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
    authenticated(api, metrics, false)
        .merge(ready)
        .merge(health())
}

fn health() -> Router {
    Router::new()
        .route("/healthz", routing::get(ops::healthz))
        .layer(no_store())
}

/// Adds the layers of routes that want to know who is calling.
fn authenticated(api: &Api, routes: Router, reports_points: bool) -> Router {
    let api = api.clone();
    let gate = CallerGate {
        api,
        reports_points,
    };
    // Inserts the context that all of these routes extract.
    routes.layer(from_fn_with_state(gate, authenticate))
}

/// Adds the layers of every route of this address.
fn outermost(api: &Api, tls: Option<Tls>, listen: &ListenAddress, routes: Router) -> Router {
    let app = api.app().clone();
    let (config, memory) = (app.config.clone(), app.memory.clone());
    let entrance = Entrance {
        is_tls: config.connection.is_tls(),
        hosts: HostCheck {
            takes_any: config.takes_any_host(listen),
            config,
            tls,
        },
        log: RequestLog::new(app),
    };
    routes.layer((
        from_fn_with_state(Arc::new(entrance), enter),
        gzip(),
        // Inside the compression, which holds an answer until its client takes it.
        from_fn_with_state(memory, hold_answer),
        // For panics in the layers above, and in routes without an error format of their own.
        panic_boundary::plain(),
    ))
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
