//! What operators watch: each metric a field with its meaning and unit, served as text at `/metrics`.
//!
//! Labels are of closed sets: nothing that a client sends becomes one. What a request counts on its way is a few atomics
//! and locks that nobody holds for long.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{family::Family, histogram::exponential_buckets, info::Info},
    registry::{Metric, Registry},
};
pub(crate) use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Unit,
};

/// Which part of the server a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteLabel {
    /// GraphQL with one answer.
    Graphql,
    /// GraphQL over a WebSocket: the handshake.
    Socket,
    /// GraphQL over server-sent events: the beginning of the stream.
    Events,
    /// Buildbot's REST API.
    Rest,
    /// The playground.
    Page,
    /// What operators ask.
    Operators,
    /// Nothing that there is.
    Other,
}

/// What a GraphQL operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperationLabel {
    /// A query.
    Query,
    /// A mutation.
    Mutation,
    /// A subscription.
    Subscription,
    /// Refused before it was known.
    Unknown,
}

/// How a GraphQL operation ended, or a subscription began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutcomeLabel {
    /// Without an error.
    Ok,
    /// With errors of fields.
    Failed,
    /// It was not run.
    Refused,
}

/// The labels of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    /// For which part of the server.
    route: &'static str,
    /// Its answer's class of status, such as 2xx.
    status: &'static str,
}

/// The label of a part of the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RouteLabels {
    /// Which.
    route: &'static str,
}

/// The labels of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OperationLabels {
    /// What it is.
    kind: &'static str,
    /// How it ended.
    outcome: &'static str,
}

/// The label of a kind of operations.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KindLabels {
    /// Which.
    kind: &'static str,
}

/// The label of an error.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ErrorLabels {
    /// Its code, as it stands in `extensions.code`.
    pub(crate) code: String,
}

/// The label of a pool of connections to the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PoolLabels {
    /// What its connections do: read, write or watch.
    pub(crate) pool: &'static str,
}

/// Histograms of the same, told apart by labels.
pub(crate) type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Every metric of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    /// How many connections are open, sockets and streams among them.
    pub(crate) connections: Gauge,
    /// How many connections were closed at once because there were too many.
    pub(crate) connections_refused: Counter,
    /// Requests that were answered, by part of the server and class of status.
    pub(crate) requests: Family<RequestLabels, Counter>,
    /// How long a request took up to the beginning of its answer, by part of the server; in seconds.
    pub(crate) request_seconds: Histograms<RouteLabels>,
    /// GraphQL operations that were answered, and subscriptions that began, by kind and outcome.
    pub(crate) operations: Family<OperationLabels, Counter>,
    /// How long a query, a mutation or the beginning of a subscription took, by kind; in seconds.
    pub(crate) operation_seconds: Histograms<KindLabels>,
    /// What operations cost, in points: the objects that they may return.
    pub(crate) operation_cost: Histogram,
    /// Errors in GraphQL answers, by code.
    pub(crate) errors: Family<ErrorLabels, Counter>,
    /// Sockets that are open.
    pub(crate) sockets: Gauge,
    /// Event streams that are open.
    pub(crate) event_streams: Gauge,
    /// The newest event that was handed to subscribers, as a position.
    pub(crate) feed_position: Gauge,
    /// How many seconds ago the feed was last read to its end; 0 while nobody listens.
    pub(crate) feed_lag: Gauge<f64, AtomicU64>,
    /// When the newest event happened, in seconds since the epoch; 0 where there is none.
    pub(crate) feed_last_event: Gauge,
    /// How many subscribers hear events now.
    pub(crate) feed_subscribers: Gauge,
    /// How many subscribers were cut off because they read too slowly.
    pub(crate) feed_lagged: Counter,
    /// How often the feed could not be read.
    pub(crate) feed_failures: Counter,
    /// 1 where the database has a feed, 0 where it has none.
    pub(crate) feed_attached: Gauge,
    /// Connections to the database that are open, by pool.
    pub(crate) pool_connections: Family<PoolLabels, Gauge>,
    /// Those of them that wait for something to do, by pool.
    pub(crate) pool_idle: Family<PoolLabels, Gauge>,
    /// How many connections a pool may have.
    pub(crate) pool_limit: Family<PoolLabels, Gauge>,
    /// How long the database took for a statement, by pool; in seconds.
    pub(crate) statement_seconds: Histograms<PoolLabels>,
}

/// From half a millisecond to 16 seconds.
fn of_requests() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 16))
}

/// From 0.1 milliseconds to 13 seconds.
fn of_statements() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.0, 18))
}

/// From a point to a million.
fn of_costs() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 4.0, 11))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("buildbot_graphql");
        let of = &mut registry;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        of.register("build", "The program's version", Info::new(version));
        let metrics = Self {
            requests: registered(
                of,
                "requests",
                "Requests that were answered, by part of the server and class of status",
            ),
            request_seconds: timed(
                of,
                "request_duration",
                "How long a request took up to the beginning of its answer, by part of the server",
                of_requests,
            ),
            operations: registered(
                of,
                "operations",
                "GraphQL operations that were answered, and subscriptions that began, by kind and outcome",
            ),
            operation_seconds: timed(
                of,
                "operation_duration",
                "How long a query, a mutation or the beginning of a subscription took, by kind",
                of_requests,
            ),
            operation_cost: {
                let cost = of_costs();
                let help = "What operations cost, in points: the objects that they may return";
                of.register("operation_cost", help, cost.clone());
                cost
            },
            errors: registered(of, "errors", "Errors in GraphQL answers, by code"),
            sockets: registered(of, "sockets", "Sockets that are open"),
            event_streams: registered(of, "event_streams", "Event streams that are open"),
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
            feed_lag: registered_in(
                of,
                "feed_lag",
                "How many seconds ago the feed was last read to its end; 0 while nobody listens",
                Unit::Seconds,
            ),
            feed_last_event: registered_in(
                of,
                "feed_last_event_timestamp",
                "When the newest event happened, in seconds since the epoch; 0 where there is none",
                Unit::Seconds,
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
            pool_connections: registered(
                of,
                "pool_connections",
                "Connections to the database that are open, by pool",
            ),
            pool_idle: registered(
                of,
                "pool_idle",
                "Those of them that wait for something to do, by pool",
            ),
            pool_limit: registered(of, "pool_limit", "How many connections a pool may have"),
            statement_seconds: timed(
                of,
                "statement_duration",
                "How long the database took for a statement, by pool",
                of_statements,
            ),
            registry: Arc::new(registry),
        };
        metrics.begin_at_zero();
        metrics
    }
}

/// A metric that is shown under this name, with this meaning.
fn registered<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// The same with a unit, which becomes part of the name.
fn registered_in<M: Metric + Clone + Default>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    unit: Unit,
) -> M {
    let metric = M::default();
    registry.register_with_unit(name, help, unit, metric.clone());
    metric
}

/// Histograms of seconds.
fn timed<L>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    buckets: fn() -> Histogram,
) -> Histograms<L>
where
    Histograms<L>: Metric + Clone,
    L: Clone + std::hash::Hash + Eq,
{
    let metric = Histograms::new_with_constructor(buckets);
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

impl Metrics {
    /// The media type of `text`.
    pub(crate) const MEDIA_TYPE: &str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Every metric as OpenMetrics has it, or none where it cannot be written.
    #[must_use]
    pub(crate) fn text(&self) -> Option<String> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).ok()?;
        Some(text)
    }

    /// What is counted from 0 on can be seen to grow with the first of its kind.
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
                drop(self.operations.get_or_create(&labels(kind, outcome)));
            }
        }
        for route in [RouteLabel::Graphql, RouteLabel::Rest] {
            for status in ["2xx", "4xx", "5xx"] {
                let route = route.name();
                drop(
                    self.requests
                        .get_or_create(&RequestLabels { route, status }),
                );
            }
        }
    }

    /// Counts a request with this status, whose answer began so long after it.
    pub(crate) fn record_request(&self, route: RouteLabel, status: u16, after: Duration) {
        let (route, status) = (route.name(), class(status));
        let labels = RequestLabels { route, status };
        self.requests.get_or_create(&labels).inc();
        let seconds = self.request_seconds.get_or_create(&RouteLabels { route });
        seconds.observe(after.as_secs_f64());
    }

    /// Counts an operation that ended, or a subscription that began, so long after it was asked for.
    pub(crate) fn record_operation(
        &self,
        kind: OperationLabel,
        outcome: OutcomeLabel,
        after: Duration,
    ) {
        self.operations.get_or_create(&labels(kind, outcome)).inc();
        let kind = kind.name();
        let seconds = self.operation_seconds.get_or_create(&KindLabels { kind });
        seconds.observe(after.as_secs_f64());
    }
}

fn labels(kind: OperationLabel, outcome: OutcomeLabel) -> OperationLabels {
    OperationLabels {
        kind: kind.name(),
        outcome: match outcome {
            OutcomeLabel::Ok => "ok",
            OutcomeLabel::Failed => "failed",
            OutcomeLabel::Refused => "refused",
        },
    }
}

/// The class of an HTTP status.
fn class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

impl RouteLabel {
    /// Its name as a label.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Graphql => "graphql",
            Self::Socket => "socket",
            Self::Events => "events",
            Self::Rest => "rest",
            Self::Page => "page",
            Self::Operators => "operators",
            Self::Other => "other",
        }
    }
}

impl OperationLabel {
    /// Its name as a label.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
            Self::Unknown => "unknown",
        }
    }
}

/// One of those that a gauge counts, as long as this is kept.
#[derive(Debug)]
pub(crate) struct GaugeGuard(Gauge);

impl GaugeGuard {
    /// Counts one more.
    #[must_use]
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
