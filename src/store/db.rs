//! A database: connections, transactions, and what an error of it means.

pub(crate) mod backup;
pub(crate) mod connect;
pub(crate) mod pool;
pub(crate) mod schema_status;
pub(crate) mod statistics;
