//! Routes for operators: liveness, readiness and metrics.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use migration::noun::NounSet;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    app::App,
    auth::request_context::RequestContext,
    clock::once_per_second::OncePerSecond,
    domain::{
        error::{Error, Result},
        read_only::ReadOnlyReason,
    },
    graphql::api::Api,
    http::error_status::status_of,
    metrics::{Metrics, labels::PoolLabels},
    store::db::schema_status::SchemaStatus,
};

/// The longest that a probe waits for the database.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// What these routes share, so that no number of requests makes more than a statement a second.
#[derive(Clone)]
pub(crate) struct OpsState {
    api: Api,
    readiness: Arc<OncePerSecond<(StatusCode, Value)>>,
    /// When the last event was.
    newest: Arc<OncePerSecond<Result<Option<i64>>>>,
}

impl OpsState {
    pub(crate) fn new(api: Api) -> Self {
        Self {
            api,
            readiness: Arc::default(),
            newest: Arc::default(),
        }
    }
}

/// GET /healthz: answers as long as the process runs.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// GET /readyz: 200 if the database answers, its schema fits and the feed is not stale, else 503.
/// Also says whether the database can be written to.
/// It is looked at once a second.
pub(crate) async fn readyz(State(state): State<OpsState>) -> (StatusCode, Json<Value>) {
    let read = readiness(state.api.app());
    let (status, body) = state.readiness.get_or_read(read).await;
    (status, Json(body))
}

async fn readiness(app: &App) -> (StatusCode, Value) {
    let probe = async {
        app.db.look_at_file()?;
        app.db.ping().await?;
        app.db.schema_status().await
    };
    let schema = timeout(PROBE_TIMEOUT, probe).await;
    let schema = schema.unwrap_or(Err(Error::Unavailable));
    let feed = match (app.feed.check_recorded(NounSet::ALL), app.feed.is_stale()) {
        _ if let Err(why) = &schema => why.to_string(),
        (Err(why), _) => format!("detached: {why}"),
        (Ok(()), true) => "stale: the database does not let it be read".to_owned(),
        (Ok(()), false) => "ok".to_owned(),
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
        json!({
            "database": database,
            "migrations": migrations,
            "writable": writable(writability),
            "feed": feed,
        }),
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
    State(state): State<OpsState>,
    Extension(context): Extension<RequestContext>,
) -> Response {
    let app = state.api.app();
    if let Err(error) = app.rate_limiter.admit(&context) {
        return refuse(&error);
    }
    measure(&state).await;
    match app.metrics.text() {
        Some(text) => ([(header::CONTENT_TYPE, Metrics::MEDIA_TYPE)], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn refuse(error: &Error) -> Response {
    let refusal = (status_of(error.code()), format!("{error}\n"));
    match error {
        Error::RateLimited { seconds, .. } => {
            ([(header::RETRY_AFTER, *seconds)], refusal).into_response()
        }
        _ => refusal.into_response(),
    }
}

/// Updates the gauges that are read on demand instead of being counted as things happen.
async fn measure(state: &OpsState) {
    let app = state.api.app();
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
    let read = async {
        let newest = timeout(PROBE_TIMEOUT, app.feed.newest_at()).await;
        newest.unwrap_or(Err(Error::Unavailable))
    };
    if let Ok(newest) = state.newest.get_or_read(read).await {
        metrics.feed_last_event.set(newest.unwrap_or_default());
    }
}
