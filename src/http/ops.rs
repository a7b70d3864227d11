//! What operators ask: is it alive, can it answer, and how is it doing.

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::call;
use crate::{auth::Call, error::Error, graphql::Api, metrics::Metrics};

/// Whoever asks whether a server is ready does not wait for long.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process runs.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers and the feed is read; says too whether it can be written to and listened to.
pub(super) async fn readyz(State(api): State<Api>) -> (StatusCode, Json<Value>) {
    let app = api.app();
    let database = timeout(PATIENCE, app.db.ping()).await;
    let database = database.unwrap_or(Err(Error::Unavailable));
    let feed = match (app.feed.is_attached(), app.feed.is_stale()) {
        (false, _) => "detached: run `buildbot-graphql attach`",
        (true, true) => "stale: the database does not let it be read",
        (true, false) => "ok",
    };
    let status = if database.is_ok() && !app.feed.is_stale() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let database = database.map_or_else(|error| error.to_string(), |()| "ok".to_owned());
    (
        status,
        Json(json!({ "database": database, "writable": app.db.is_writable(), "feed": feed })),
    )
}

/// Every metric, for those who may read.
pub(super) async fn metrics(
    State(api): State<Api>,
    Extension(call): Extension<Call>,
) -> impl IntoResponse {
    if let Some((status, why)) = call::refusal(&call) {
        return (status, format!("{why}\n")).into_response();
    }
    let app = api.app();
    app.metrics
        .feed_lag_seconds
        .set(app.feed.lag().as_secs_f64());
    match app.metrics.text() {
        Some(text) => ([(header::CONTENT_TYPE, Metrics::MEDIA_TYPE)], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
