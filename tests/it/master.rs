//! Queries over a Buildbot master's database.

pub(crate) mod server;
pub(crate) mod sqlite;
