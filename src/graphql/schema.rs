//! The types of the schema, one file each.

pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod connection;
pub(crate) mod event;
pub(crate) mod filter;
pub(crate) mod mutation;
pub(crate) mod node;
pub(crate) mod order;
pub(crate) mod query;
pub(crate) mod results;
pub(crate) mod scalar;
pub(crate) mod step;
pub(crate) mod subscription;
