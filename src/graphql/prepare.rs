//! Turns a request into an operation that may run, in one straight line: text, document, variables,
//! canonical operation, cost.

pub(crate) mod admission;
pub(crate) mod batch_admission;
pub(crate) mod canonical;
pub(crate) mod canonical_text;
pub(crate) mod coercion;
pub(crate) mod cost;
pub(crate) mod deferral;
pub(crate) mod document;
pub(crate) mod document_hash;
pub(crate) mod document_limits;
pub(crate) mod documents;
pub(crate) mod fragments;
pub(crate) mod input_value;
pub(crate) mod introspection;
pub(crate) mod last_prepared;
pub(crate) mod lexical_limits;
pub(crate) mod limit_count;
pub(crate) mod list_size;
pub(crate) mod operation;
pub(crate) mod plans;
pub(crate) mod positions;
pub(crate) mod rules;
pub(crate) mod search_cost;
pub(crate) mod suggestion;
pub(crate) mod synthetic;
#[cfg(any(test, fuzzing))]
pub(crate) mod testing;
pub(crate) mod trusted_documents;
pub(crate) mod type_system;
pub(crate) mod variables;
