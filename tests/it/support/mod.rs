//! What tests stand on: a server in this process or in its own, an HTTP client, a socket, and plain SQL.

pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod sql;
pub(crate) mod ws;

use std::time::Duration;

/// Longer than anything takes that works; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
