//! From the text of a request to an operation that may run.

pub(crate) mod cost;
pub(crate) mod document;
pub(crate) mod lexical_limits;
pub(crate) mod limit_count;
pub(crate) mod operation;
pub(crate) mod schema_types;
pub(crate) mod trusted_documents;
pub(crate) mod validation;
pub(crate) mod value_check;
