//! What operators ask: is it alive, can it answer, and how is it doing.

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    app::App,
    auth::request_context::RequestContext,
    domain::error::Error,
    graphql::api::Api,
    http::request_context,
    metrics::{Metrics, labels::PoolLabels},
    store::db::schema_status::SchemaStatus,
};

/// Whoever asks whether a server is ready does not wait for long.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process runs.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the database answers, its schema fits and the feed is read; says too whether it can be written to.
pub(crate) async fn readyz(State(api): State<Api>) -> (StatusCode, Json<Value>) {
    let app = api.app();
    let look = async {
        app.db.ping().await?;
        app.db.schema_status().await
    };
    let looked = timeout(PATIENCE, look).await;
    let looked = looked.unwrap_or(Err(Error::Unavailable));
    let feed = match (app.feed.epoch(), app.feed.is_stale()) {
        (Err(why), _) => format!("detached: {why}"),
        (Ok(_), true) => "stale: the database does not let it be read".to_owned(),
        (Ok(_), false) => "ok".to_owned(),
    };
    let is_served = looked.as_ref().is_ok_and(SchemaStatus::is_served);
    let status = if is_served && !app.feed.is_stale() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let (database, migrations) = match looked {
        Ok(fit) => ("ok".to_owned(), fit.to_string()),
        Err(error) => (error.to_string(), "unknown".to_owned()),
    };
    (
        status,
        Json(json!({
            "database": database,
            "migrations": migrations,
            "writable": app.db.is_writable(),
            "feed": feed,
        })),
    )
}

/// Every metric, for who may read.
pub(crate) async fn metrics(
    State(api): State<Api>,
    Extension(context): Extension<RequestContext>,
) -> Response {
    if let Some((status, why)) = request_context::refusal(&context) {
        return (status, format!("{why}\n")).into_response();
    }
    let app = api.app();
    look(app).await;
    match app.metrics.text() {
        Some(text) => ([(header::CONTENT_TYPE, Metrics::MEDIA_TYPE)], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Measures what is not counted when it happens.
async fn look(app: &App) {
    let metrics = &app.metrics;
    metrics.feed_lag.set(app.feed.lag().as_secs_f64());
    for used in app.db.pools() {
        let labels = PoolLabels { pool: used.pool };
        for (gauge, value) in [
            (&metrics.pool_connections, used.connections),
            (&metrics.pool_idle, used.idle),
            (&metrics.pool_limit, used.limit),
        ] {
            gauge.get_or_create(&labels).set(value.into());
        }
    }
    // A database that does not answer leaves the time that was.
    if let Ok(Ok(newest)) = timeout(PATIENCE, app.feed.newest_at()).await {
        metrics.feed_last_event.set(newest.unwrap_or_default());
    }
}
