//! Values and rules: what an id, a name, a result, a page or a filter is.
//! No async, no I/O, and no knowledge of SQL or GraphQL.

pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod filter;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod id;
pub(crate) mod page;
pub(crate) mod results;
pub(crate) mod step;
pub(crate) mod time;
pub(crate) mod url;
