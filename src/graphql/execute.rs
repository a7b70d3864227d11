//! What an operation runs with, and what becomes of its response.

pub(crate) mod budget;
pub(crate) mod context;
pub(crate) mod errors;
pub(crate) mod keyed_loader;
pub(crate) mod loader;
pub(crate) mod response;
