//! How much callers may take: points, sockets, subscriptions and operations at once.

pub(crate) mod bucket;
pub(crate) mod limiter;
pub(crate) mod operations;
pub(crate) mod permit;
pub(crate) mod points;
