//! Connections: accepting them, TLS, and the deadlines that end them.

pub(crate) mod accept_loop;
pub(crate) mod activity;
pub(crate) mod deadlines;
pub(crate) mod poll_turns;
pub(crate) mod received_bytes;
pub(crate) mod socket;
pub(crate) mod tls;
pub(crate) mod unix_socket;
