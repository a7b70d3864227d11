//! Queries over a Buildbot master's database.

mod character_sets;
pub(crate) mod server;
pub(crate) mod sqlite;
