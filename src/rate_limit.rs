//! How much callers may take: points of cost and sockets each, subscriptions all together.

pub(crate) mod bucket;
pub(crate) mod client_network;
pub(crate) mod limiter;
pub(crate) mod permit;
