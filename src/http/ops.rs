//! What operators ask: is it alive, and can it answer.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use crate::graphql::Api;

/// The process runs.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers; says too whether it can be written to and listened to.
pub(super) async fn readyz(State(api): State<Api>) -> (StatusCode, Json<Value>) {
    let db = &api.app().db;
    let database = db.ping().await;
    let (status, answer) = match &database {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    };
    let feed = if db.has_feed() { "ok" } else { "detached" };
    (
        status,
        Json(json!({ "database": answer, "writable": db.is_writable(), "feed": feed })),
    )
}
