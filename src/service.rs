//! Every write: authorise, check, one transaction, then wake the feed. The functions are named
//! after the update methods of Buildbot's data API.
//!
//! Writes fail with `ReadOnly` where the database is a Buildbot master's, as the caller's token
//! demands, with `Unavailable` or `Internal`, and with `OutcomeUnknown` where the answer to the
//! commit was lost.

pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod idempotency;
pub(crate) mod log;
pub(crate) mod log_compression;
pub(crate) mod log_lines;
pub(crate) mod log_retention;
pub(crate) mod log_search;
pub(crate) mod log_tail;
pub(crate) mod log_text_reader;
pub(crate) mod presence;
pub(crate) mod retention;
pub(crate) mod rule;
pub(crate) mod step;
pub(crate) mod token;
pub(crate) mod write;
pub(crate) mod writer;
