//! How much callers may take: points, sockets, subscriptions and operations at once,
//! and bytes that are coming in.

pub(crate) mod bucket;
pub(crate) mod incoming;
pub(crate) mod limiter;
pub(crate) mod operations;
pub(crate) mod permit;
pub(crate) mod points;
