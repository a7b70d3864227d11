//! A database: connections, transactions, what its errors mean, and the schema it has.

pub(crate) mod backup;
pub(crate) mod catalog;
pub(crate) mod connect;
pub(crate) mod database;
pub(crate) mod dialect;
pub(crate) mod error_kind;
pub(crate) mod fair_queue;
pub(crate) mod file_access;
pub(crate) mod health;
pub(crate) mod location;
pub(crate) mod migrate;
pub(crate) mod observer;
pub(crate) mod owner;
pub(crate) mod partial_file;
pub(crate) mod pool;
pub(crate) mod preview;
pub(crate) mod read_account;
pub(crate) mod reader;
pub(crate) mod revision;
pub(crate) mod schema_status;
pub(crate) mod server_url;
pub(crate) mod statistics;
pub(crate) mod transaction;
pub(crate) mod watched_file;
pub(crate) mod writability;
pub(crate) mod write_ahead_log;
