//! GraphQL over HTTP: an operation or a batch of them, answered as JSON or as an event stream.

pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod csrf;
pub(crate) mod endpoint;
pub(crate) mod media;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod response_body;
pub(crate) mod sse;
