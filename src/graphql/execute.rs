//! Executes operations: their loaders, budget and errors, and the outcome that transports read.

pub(crate) mod answer;
pub(crate) mod budget;
pub(crate) mod context;
pub(crate) mod errors;
pub(crate) mod json_text;
pub(crate) mod keyed_loader;
pub(crate) mod library_request;
pub(crate) mod loader;
pub(crate) mod outcome;
pub(crate) mod panic_boundary;
pub(crate) mod response;
pub(crate) mod response_code;
pub(crate) mod run;
pub(crate) mod run_scope;
