//! Values and rules: what an id, a name, a result, a page or a filter is.
//! No async, no I/O, and no knowledge of SQL or GraphQL.

pub mod filter;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod id;
pub mod identifier;
pub mod page;
pub mod results;
pub mod time;
pub mod url;
