//! GraphQL over HTTP: an operation or a batch of them, answered as JSON, as an event stream or in
//! parts.

pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod csrf;
pub(crate) mod endpoint;
pub(crate) mod json;
pub(crate) mod media;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod stream_encoding;
pub(crate) mod streaming;
