//! What operators watch: each metric a field with its meaning and unit, served as text at `/metrics`.

use std::sync::{Arc, atomic::AtomicU64};

pub use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use prometheus_client::{
    encoding::text,
    registry::{Metric, Registry},
};

/// Every metric of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// How many connections are open, sockets and streams among them.
    pub connections: Gauge,
    /// How many connections were closed at once because there were too many.
    pub connections_refused: Counter,
    /// The newest event that was handed to subscribers, as a position.
    pub feed_position: Gauge,
    /// How many seconds ago the feed was last read to its end; 0 while nobody listens.
    pub feed_lag_seconds: Gauge<f64, AtomicU64>,
    /// How many subscribers hear events now.
    pub feed_subscribers: Gauge,
    /// How many subscribers were cut off because they read too slowly.
    pub feed_lagged: Counter,
    /// How often the feed could not be read.
    pub feed_failures: Counter,
    /// 1 where the database has a feed, 0 where it has none.
    pub feed_attached: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("buildbot_graphql");
        let of = &mut registry;
        Self {
            connections: registered(
                of,
                "connections",
                "How many connections are open, sockets and streams among them",
            ),
            connections_refused: registered(
                of,
                "connections_refused",
                "How many connections were closed at once because there were too many",
            ),
            feed_position: registered(
                of,
                "feed_position",
                "The newest event that was handed to subscribers, as a position",
            ),
            feed_lag_seconds: registered(
                of,
                "feed_lag_seconds",
                "How many seconds ago the feed was last read to its end; 0 while nobody listens",
            ),
            feed_subscribers: registered(
                of,
                "feed_subscribers",
                "How many subscribers hear events now",
            ),
            feed_lagged: registered(
                of,
                "feed_lagged",
                "How many subscribers were cut off because they read too slowly",
            ),
            feed_failures: registered(of, "feed_failures", "How often the feed could not be read"),
            feed_attached: registered(
                of,
                "feed_attached",
                "1 where the database has a feed, 0 where it has none",
            ),
            registry: Arc::new(registry),
        }
    }
}

/// A metric that is shown under this name, with this meaning.
fn registered<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

impl Metrics {
    /// The media type of `text`.
    pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Every metric as OpenMetrics has it, or none where it cannot be written.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).ok()?;
        Some(text)
    }
}

/// One of those that a gauge counts, as long as this is kept.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    /// Counts one more.
    #[must_use]
    pub fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
