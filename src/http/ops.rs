//! Routes for operators: liveness, readiness and metrics.

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
    domain::{
        error::{Error, Result},
        read_only::ReadOnlyReason,
    },
    graphql::api::Api,
    http::request_context,
    metrics::{Metrics, labels::PoolLabels},
    store::db::schema_status::SchemaStatus,
};

/// The longest that a probe waits for the database.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// GET /healthz: answers as long as the process runs.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// GET /readyz: 200 if the database answers, its schema fits and the feed is not stale, else 503.
/// Also says whether the database can be written to.
pub(crate) async fn readyz(State(api): State<Api>) -> (StatusCode, Json<Value>) {
    let app = api.app();
    let probe = async {
        app.db.look_at_file()?;
        app.db.ping().await?;
        app.db.schema_status().await
    };
    let schema = timeout(PROBE_TIMEOUT, probe).await;
    let schema = schema.unwrap_or(Err(Error::Unavailable));
    let feed = match (app.feed.epoch(), app.feed.is_stale()) {
        _ if let Err(why) = &schema => why.to_string(),
        (Err(why), _) => format!("detached: {why}"),
        (Ok(_), true) => "stale: the database does not let it be read".to_owned(),
        (Ok(_), false) => "ok".to_owned(),
    };
    let is_served = schema.as_ref().is_ok_and(SchemaStatus::is_served);
    // A detached feed does not count: queries work without it.
    let status = if is_served && !app.feed.is_stale() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let (database, migrations, writability) = match schema {
        Ok(status) => ("ok".to_owned(), status.to_string(), app.db.writability()),
        Err(error) => (error.to_string(), "unknown".to_owned(), Err(error)),
    };
    (
        status,
        Json(json!({
            "database": database,
            "migrations": migrations,
            "writable": writable(writability),
            "feed": feed,
        })),
    )
}

/// Whether builders, builds and steps can be written, or why not. A master's never can.
fn writable(writability: Result<()>) -> Value {
    match writability {
        Ok(()) => true.into(),
        Err(Error::ReadOnly(ReadOnlyReason::Buildbots)) => false.into(),
        Err(why) => why.to_string().into(),
    }
}

/// GET /metrics: every metric, for callers with the scope read.
pub(crate) async fn metrics(
    State(api): State<Api>,
    Extension(context): Extension<RequestContext>,
) -> Response {
    if let Some((status, error)) = request_context::refusal(&context) {
        return (status, format!("{error}\n")).into_response();
    }
    let app = api.app();
    measure(app).await;
    match app.metrics.text() {
        Some(text) => ([(header::CONTENT_TYPE, Metrics::MEDIA_TYPE)], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Updates the gauges that are read on demand instead of being counted as things happen.
async fn measure(app: &App) {
    let metrics = &app.metrics;
    metrics.feed_lag.set(app.feed.lag().as_secs_f64());
    let log_bytes = i64::try_from(app.db.log_bytes());
    metrics.write_ahead_log.set(log_bytes.unwrap_or(i64::MAX));
    for pool in app.db.pools() {
        let labels = PoolLabels { pool: pool.pool };
        for (gauge, value) in [
            (&metrics.pool_connections, pool.connections),
            (&metrics.pool_idle, pool.idle),
            (&metrics.pool_limit, pool.limit),
        ] {
            gauge.get_or_create(&labels).set(value.into());
        }
    }
    // If the database does not answer, the gauge keeps the last known time.
    if let Ok(Ok(newest)) = timeout(PROBE_TIMEOUT, app.feed.newest_at()).await {
        metrics.feed_last_event.set(newest.unwrap_or_default());
    }
}
