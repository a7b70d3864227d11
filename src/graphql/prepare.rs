//! From a request to an operation that may run: its document is measured, parsed, validated and
//! cached, its variables are checked, and its cost is worked out.

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
