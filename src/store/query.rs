//! Filters, orders and pages as SQL.

pub(crate) mod filter;
pub(crate) mod list;
