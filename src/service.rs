//! Every write: authorise, check, one transaction, then wake the feed. The functions are named
//! after the update methods of Buildbot's data API.
//!
//! Writes fail with `ReadOnly` where the database is a Buildbot master's, as the caller's token
//! demands, and with `Unavailable` or `Internal`.

pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod rule;
pub(crate) mod step;
pub(crate) mod token;
pub(crate) mod write;
