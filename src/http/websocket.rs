//! GraphQL over WebSocket.

pub(crate) mod connection;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod liveness;
pub(crate) mod operation;
pub(crate) mod protocol;
pub(crate) mod session;
pub(crate) mod transport;
pub(crate) mod unfinished_message;
pub(crate) mod upgrade;
