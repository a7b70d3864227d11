//! What operators watch: each metric a field with its meaning, served as text at `/metrics`.
//!
//! Labels are of closed sets: nothing that a client sends becomes one. Counting a request costs a
//! few atomics and short locks.

pub(crate) mod gauge_guard;
pub(crate) mod labels;

use std::{sync::atomic::AtomicU64, time::Duration};

use migration::noun::{Noun, NounSet};
use prometheus_client::{
    encoding::text,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Metric, Registry, Unit},
};

use crate::metrics::labels::{
    ErrorLabels, KindLabels, NounLabels, OperationLabel, OperationLabels, OutcomeLabel, PoolLabels,
    RequestLabels, RouteLabel, RouteLabels, WaitFor, WaitLabel, WaitLabels,
};

/// Histograms of the same measure, one per set of labels.
pub(crate) type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Declares `Metrics`, each field with the name and unit under which it is registered and its first
/// value. The field's doc comment, without the final full stop, is the metric's help text.
macro_rules! metrics {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $type:ty = $name:literal $(in $unit:ident)?, $new:expr;
    )+) => {
        /// Every metric of a server.
        #[derive(Debug)]
        pub(crate) struct Metrics {
            registry: Registry,
            $($(#[doc = $doc])+ pub(crate) $field: $type,)+
        }

        impl Metrics {
            fn register(mut registry: Registry) -> Self {
                $(
                    let $field: $type = $new;
                    let unit = [$(Unit::$unit)?];
                    register(&mut registry, $name, concat!($($doc),+), unit, &$field);
                )+
                Self { registry, $($field),+ }
            }
        }
    };
}

metrics! {
    /// Requests that were answered, by part of the server and class of status.
    requests: Family<RequestLabels, Counter> = "requests", Family::default();
    /// How long a request took up to the beginning of its answer, by part of the server.
    request_seconds: Histograms<RouteLabels> =
        "request_duration" in Seconds, Family::new_with_constructor(request_buckets);
    /// GraphQL operations that were answered, and subscriptions that began, by kind and outcome.
    operations: Family<OperationLabels, Counter> = "operations", Family::default();
    /// How long a query, a mutation or the beginning of a subscription took, by kind.
    operation_seconds: Histograms<KindLabels> =
        "operation_duration" in Seconds, Family::new_with_constructor(request_buckets);
    /// What operations cost, in points: the objects that they may return, their filters and counts.
    operation_cost: Histogram = "operation_cost", cost_buckets();
    /// Errors in GraphQL answers, by code.
    errors: Family<ErrorLabels, Counter> = "errors", Family::default();
    /// Sockets that are open.
    sockets: Gauge = "sockets", Gauge::default();
    /// Event streams that are open.
    event_streams: Gauge = "event_streams", Gauge::default();
    /// How many connections are open, sockets and streams among them.
    connections: Gauge = "connections", Gauge::default();
    /// How many connections were closed at once because there were too many.
    connections_refused: Counter = "connections_refused", Counter::default();
    /// The newest event that was handed to subscribers, as a position.
    feed_position: Gauge = "feed_position", Gauge::default();
    /// How many seconds ago the feed was last read; 0 while nobody listens.
    feed_lag: Gauge<f64, AtomicU64> = "feed_lag" in Seconds, Gauge::default();
    /// When the newest event happened, in seconds since the epoch; 0 where there is none.
    feed_last_event: Gauge = "feed_last_event_timestamp" in Seconds, Gauge::default();
    /// How many subscribers hear events now.
    feed_subscribers: Gauge = "feed_subscribers", Gauge::default();
    /// How many subscribers were cut off because they read too slowly.
    feed_lagged: Counter = "feed_lagged", Counter::default();
    /// How often the feed could not be read.
    feed_failures: Counter = "feed_failures", Counter::default();
    /// 1 where the database has a feed, 0 where it has none.
    feed_attached: Gauge = "feed_attached", Gauge::default();
    /// 1 where every change of a noun is recorded, 0 where its triggers are missing.
    feed_recorded: Family<NounLabels, Gauge> = "feed_recorded", Family::default();
    /// Connections to the database that are open, by pool.
    pool_connections: Family<PoolLabels, Gauge> = "pool_connections", Family::default();
    /// Those of them that wait for something to do, by pool.
    pool_idle: Family<PoolLabels, Gauge> = "pool_idle", Family::default();
    /// How many connections a pool may have.
    pool_limit: Family<PoolLabels, Gauge> = "pool_limit", Family::default();
    /// How much memory requests, queues and snapshots hold; bounded by --max-memory-bytes.
    memory_held: Gauge = "memory_held" in Bytes, Gauge::default();
    /// Rows and lists of rows that were asked for and kept in memory.
    cache_hits: Counter = "cache_hits", Counter::default();
    /// Rows and lists of rows that were asked for and had to be read, with --cache-bytes above 0.
    cache_misses: Counter = "cache_misses", Counter::default();
    /// Rows and lists of rows that were kept and forgotten because they may have changed.
    cache_forgotten: Counter = "cache_forgotten", Counter::default();
    /// How much memory kept rows take; bounded by --cache-bytes.
    cache_bytes: Gauge = "cache" in Bytes, Gauge::default();
    /// The length of an SQLite database's write-ahead log; 0 where there is none.
    write_ahead_log: Gauge = "write_ahead_log" in Bytes, Gauge::default();
    /// How long the database took for a statement, by pool.
    statement_seconds: Histograms<PoolLabels> =
        "statement_duration" in Seconds, Family::new_with_constructor(statement_buckets);
    /// How many mutations' writes shared a commit, on SQLite.
    commit_writes: Histogram = "commit_writes", commit_buckets();
    /// How long callers waited for their turn, for a connection that reads or for one of their own
    /// operations to end, by what they waited for and outcome.
    wait_seconds: Histograms<WaitLabels> =
        "wait_duration" in Seconds, Family::new_with_constructor(statement_buckets);
}

fn register(
    registry: &mut Registry,
    name: &str,
    doc: &str,
    unit: impl IntoIterator<Item = Unit>,
    metric: &(impl Metric + Clone),
) {
    // A clone of a metric shares its values. rustdoc's lines begin with a space.
    let doc = doc.trim();
    let help = doc.strip_suffix('.').unwrap_or(doc);
    match unit.into_iter().next() {
        Some(unit) => registry.register_with_unit(name, help, unit, metric.clone()),
        None => registry.register(name, help, metric.clone()),
    }
}

/// From half a millisecond to 16 seconds.
fn request_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 16))
}

/// From 0.1 milliseconds to 13 seconds.
fn statement_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.0, 18))
}

/// From one to 64.
fn commit_buckets() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 7))
}

/// From a point to a million.
fn cost_buckets() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 4.0, 11))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("buildbot_graphql");
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The program's version", Info::new(version));
        let metrics = Self::register(registry);
        metrics.begin_at_zero();
        metrics
    }
}

impl Metrics {
    /// The media type of [`text`](Self::text).
    pub(crate) const MEDIA_TYPE: &str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Every metric in the format of OpenMetrics; `None` where it cannot be written.
    pub(crate) fn text(&self) -> Option<String> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).ok()?;
        Some(text)
    }

    /// Makes the usual counters appear at zero: one that appeared with its first event would not be
    /// seen to grow.
    fn begin_at_zero(&self) {
        for kind in [
            OperationLabel::Query,
            OperationLabel::Mutation,
            OperationLabel::Subscription,
        ] {
            for outcome in [
                OutcomeLabel::Ok,
                OutcomeLabel::Failed,
                OutcomeLabel::Refused,
            ] {
                let labels = OperationLabels::new(kind, outcome);
                drop(self.operations.get_or_create(&labels));
            }
        }
        for what in [WaitFor::Reader, WaitFor::Operation] {
            for outcome in [WaitLabel::Served, WaitLabel::TimedOut, WaitLabel::Left] {
                let labels = WaitLabels::new(what, outcome);
                drop(self.wait_seconds.get_or_create(&labels));
            }
        }
        for route in [RouteLabel::Graphql, RouteLabel::Rest] {
            for status in [200, 400, 500] {
                let labels = RequestLabels::new(route, status);
                drop(self.requests.get_or_create(&labels));
            }
        }
    }

    /// Sets the nouns of which every change is recorded.
    pub(crate) fn set_recorded(&self, nouns: NounSet) {
        for noun in Noun::ALL {
            let labels = NounLabels { noun: noun.table() };
            let recorded = self.feed_recorded.get_or_create(&labels);
            recorded.set(nouns.contains(noun).into());
        }
    }

    /// Counts a request that was answered with this status after so long.
    pub(crate) fn record_request(&self, route: RouteLabel, status: u16, after: Duration) {
        let labels = RequestLabels::new(route, status);
        self.requests.get_or_create(&labels).inc();
        let route = route.name();
        let seconds = self.request_seconds.get_or_create(&RouteLabels { route });
        seconds.observe(after.as_secs_f64());
    }

    /// Counts an operation that ended, or a subscription that began, after so long.
    pub(crate) fn record_operation(
        &self,
        kind: OperationLabel,
        outcome: OutcomeLabel,
        after: Duration,
    ) {
        let labels = OperationLabels::new(kind, outcome);
        self.operations.get_or_create(&labels).inc();
        let kind = kind.name();
        let seconds = self.operation_seconds.get_or_create(&KindLabels { kind });
        seconds.observe(after.as_secs_f64());
    }
}
