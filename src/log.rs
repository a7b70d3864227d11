//! The log of a process, on standard error, and the traces that it sends with the feature `otel`.

#[cfg(feature = "otel")]
pub(crate) mod traces;

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, prelude::*};

use crate::config::log::{LogConfig, LogFormat};

/// The target of what concerns the program as a whole: operators see its name, not a module's.
pub(crate) const TARGET: &str = "buildbot_graphql";

/// The default filter; `store/db/migrate.rs` logs each migration itself.
const DEFAULT_FILTER: &str = "info,sea_orm_migration=warn";

/// A process's log. Dropped when the process ends, it sends the traces that wait to be sent.
#[must_use = "the traces end with it"]
pub(crate) struct OpenLog {
    #[cfg(feature = "otel")]
    _traces: Option<traces::Traces>,
}

/// Starts to log.
#[cfg(not(feature = "otel"))]
pub(crate) fn start(config: &LogConfig) -> OpenLog {
    let lines = lines(config).with_filter(filter(config));
    tracing_subscriber::registry().with(lines).init();
    OpenLog {}
}

/// Starts to log, and to send traces if the environment says where to.
#[cfg(feature = "otel")]
pub(crate) fn start(config: &LogConfig) -> OpenLog {
    use tracing_subscriber::filter::{FilterExt, filter_fn};

    let no_statement = filter_fn(|metadata| !traces::is_statement(metadata));
    let lines = lines(config).with_filter(filter(config).and(no_statement));
    let mut layers = vec![lines.boxed()];
    let (traces, error) = match traces::start() {
        Ok(Some((traces, layer))) => {
            layers.push(layer);
            (Some(traces), None)
        }
        Ok(None) => (None, None),
        Err(error) => (None, Some(error)),
    };
    tracing_subscriber::registry().with(layers).init();
    // Reported only now, as there was no log before.
    if let Some(error) = error {
        tracing::warn!(%error, "no traces are sent");
    }
    OpenLog { _traces: traces }
}

/// A layer that writes events as lines.
fn lines(config: &LogConfig) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = fmt::layer().with_writer(stderr);
    match config.log_format {
        LogFormat::Text => layer.with_ansi(stderr().is_terminal()).boxed(),
        // The outermost span has the request's id, so the list of all spans is enough.
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed(),
    }
}

fn filter(config: &LogConfig) -> EnvFilter {
    match &config.log {
        Some(given) => EnvFilter::new(&given.0),
        None => {
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER))
        }
    }
}
