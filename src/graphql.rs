//! GraphQL without any transport: `prepare` checks an operation, then `execute` or `subscribe` runs
//! it with the resolvers of `schema`.

pub(crate) mod api;
pub(crate) mod execute;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod prepare;
pub(crate) mod schema;
pub(crate) mod subscribe;
