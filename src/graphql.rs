//! The schema: what each type and field means, and which one call answers it. Knows nothing of HTTP.

pub(crate) mod api;
pub(crate) mod execute;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod prepare;
pub(crate) mod schema;
pub(crate) mod subscribe;
