//! Turns a request into an operation that may run: measures, parses, validates and caches its
//! document, checks its variables and computes its cost.

pub(crate) mod admission;
pub(crate) mod cost;
pub(crate) mod document;
pub(crate) mod lexical_limits;
pub(crate) mod limit_count;
pub(crate) mod operation;
pub(crate) mod schema_types;
pub(crate) mod trusted_documents;
pub(crate) mod validation;
pub(crate) mod value_check;
