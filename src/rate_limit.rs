//! How much callers may take: points and sockets per caller, subscriptions for all together.

pub(crate) mod bucket;
pub(crate) mod caller_turns;
pub(crate) mod client_network;
pub(crate) mod limiter;
pub(crate) mod permit;
