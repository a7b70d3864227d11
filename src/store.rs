//! The sea-orm entity layer, and the only SQL: per noun its entity, its batch reads and its writes.
//!
//! Reads are functions that take a `&Db`, writes take a `&Txn`. They fail alike: with `Conflict`
//! where another writer was in the way, `Unavailable` where the database does not answer in time,
//! and `Internal` for all else. Docs name only what else may go wrong.

pub(crate) mod build;
pub(crate) mod build_property;
pub(crate) mod builder;
pub(crate) mod builder_master;
pub(crate) mod builder_stats;
pub(crate) mod builder_tag;
pub(crate) mod cache;
pub(crate) mod db;
pub(crate) mod demo_history;
pub(crate) mod demo_run;
pub(crate) mod event;
pub(crate) mod event_batch;
pub(crate) mod event_bookmark;
pub(crate) mod event_probe;
pub(crate) mod event_reach;
pub(crate) mod feed_install;
pub(crate) mod idempotency_key;
pub(crate) mod idempotency_payload;
pub(crate) mod invalid_values;
pub(crate) mod log;
pub(crate) mod log_chunk;
pub(crate) mod log_retention;
pub(crate) mod open_batch;
pub(crate) mod position;
pub(crate) mod query;
pub(crate) mod row;
pub(crate) mod row_bytes;
pub(crate) mod sequencer;
pub(crate) mod shared_lookup;
pub(crate) mod snapshot;
pub(crate) mod step;
pub(crate) mod token;
pub(crate) mod unchecked_int;
pub(crate) mod worker;
