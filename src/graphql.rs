//! GraphQL, without any transport: an operation is prepared, then executed or subscribed to, by the
//! resolvers of the schema.

pub(crate) mod api;
pub(crate) mod execute;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod prepare;
pub(crate) mod schema;
pub(crate) mod subscribe;
