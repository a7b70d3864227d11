//! Values and rules: what an id, a name, a result, a page or a filter is.
//! No async, no I/O, and no knowledge of SQL or GraphQL.

pub(crate) mod bookmark;
pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod builder_stats;
pub(crate) mod caller_key;
pub(crate) mod command_error;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod filter;
pub(crate) mod folded_text;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod id;
pub(crate) mod idempotency_key;
pub(crate) mod invalid_argument;
pub(crate) mod keyset;
pub(crate) mod log;
pub(crate) mod log_content;
pub(crate) mod log_text;
pub(crate) mod offset_page;
pub(crate) mod page;
pub(crate) mod page_input;
pub(crate) mod per_caller;
pub(crate) mod read_only;
pub(crate) mod results;
pub(crate) mod state_string;
pub(crate) mod step;
pub(crate) mod time;
pub(crate) mod url;
