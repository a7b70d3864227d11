//! The labels of metrics, each with a closed set of values.

use prometheus_client::encoding::EncodeLabelSet;

/// Which part of the server a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteLabel {
    /// GraphQL with one response.
    Graphql,
    /// GraphQL over a WebSocket: the handshake.
    Socket,
    /// GraphQL over server-sent events: the beginning of the stream.
    Events,
    /// Buildbot's REST API.
    Rest,
    /// The pages for browsers, and their files.
    Page,
    /// Health checks and metrics.
    Operators,
    /// No such route.
    Other,
}

impl RouteLabel {
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

/// The kind of a GraphQL operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperationLabel {
    Query,
    Mutation,
    Subscription,
    /// Refused before its kind was known.
    Unknown,
}

impl OperationLabel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
            Self::Unknown => "unknown",
        }
    }
}

/// How a GraphQL operation ended, or a subscription began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutcomeLabel {
    /// Without an error.
    Ok,
    /// With errors of fields.
    Failed,
    /// It was not executed.
    Refused,
}

impl OutcomeLabel {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    route: &'static str,
    /// The class of the response's status, such as 2xx.
    status: &'static str,
}

impl RequestLabels {
    pub(crate) fn new(route: RouteLabel, status: u16) -> Self {
        Self {
            route: route.name(),
            status: match status / 100 {
                1 => "1xx",
                2 => "2xx",
                3 => "3xx",
                4 => "4xx",
                _ => "5xx",
            },
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RouteLabels {
    pub(crate) route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OperationLabels {
    kind: &'static str,
    outcome: &'static str,
}

impl OperationLabels {
    pub(crate) fn new(kind: OperationLabel, outcome: OutcomeLabel) -> Self {
        Self {
            kind: kind.name(),
            outcome: outcome.name(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KindLabels {
    pub(crate) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ErrorLabels {
    /// As it stands in `extensions.code`.
    pub(crate) code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct NounLabels {
    /// builders, builds or steps.
    pub(crate) noun: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PoolLabels {
    /// What the pool's connections do: read, write or watch.
    pub(crate) pool: &'static str,
}

/// What a caller waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// A connection that reads.
    Reader,
    /// The end of another operation of its own.
    Operation,
}

/// How a caller's wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitLabel {
    /// It had its turn.
    Served,
    /// It had none before its deadline.
    TimedOut,
    /// The client left.
    Left,
    /// Too many waited already.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct WaitLabels {
    /// What was waited for.
    what: &'static str,
    outcome: &'static str,
}

impl WaitLabels {
    pub(crate) fn new(what: WaitFor, outcome: WaitLabel) -> Self {
        Self {
            what: match what {
                WaitFor::Reader => "reader",
                WaitFor::Operation => "operation",
            },
            outcome: match outcome {
                WaitLabel::Served => "served",
                WaitLabel::TimedOut => "timed_out",
                WaitLabel::Left => "left",
                WaitLabel::Refused => "refused",
            },
        }
    }
}
