//! Filters, orders and pages as SQL, for GraphQL and REST alike.

pub(crate) mod compare;
pub(crate) mod count;
pub(crate) mod field;
pub(crate) mod filter;
pub(crate) mod fold;
pub(crate) mod keyset;
pub(crate) mod order;
pub(crate) mod page;
pub(crate) mod per_parent;
pub(crate) mod rows;
pub(crate) mod selection;
