//! Connections: accepted, encrypted, and ended in time.

pub(crate) mod accept_loop;
pub(crate) mod deadlines;
pub(crate) mod tls;
