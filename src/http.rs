//! Everything that a client sends or receives.

pub(crate) mod accept;
pub(crate) mod assets;
pub(crate) mod client_address;
pub(crate) mod compression;
pub(crate) mod cors;
pub(crate) mod cross_site;
pub(crate) mod entrance;
pub(crate) mod error_status;
pub(crate) mod graphiql;
pub(crate) mod graphql;
pub(crate) mod head_limit;
pub(crate) mod held_body;
pub(crate) mod host;
pub(crate) mod listener;
pub(crate) mod ops;
pub(crate) mod page;
pub(crate) mod panic_boundary;
pub(crate) mod query_string;
pub(crate) mod request_context;
pub(crate) mod request_log;
pub(crate) mod response_headers;
pub(crate) mod rest;
pub(crate) mod router;
pub(crate) mod websocket;
