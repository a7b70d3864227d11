//! The words of the two subprotocols on a socket: kinds of messages, their parts, and the codes that a socket is closed with.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::error::Error;

/// The longest id of an operation, in bytes: each of its messages carries it.
const MAX_ID: usize = 256;
/// The longest reason that fits into a close frame, in bytes.
const MAX_REASON: usize = 123;

/// A subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// graphql-transport-ws.
    Transport,
    /// graphql-ws, which Apollo's subscriptions-transport-ws speaks.
    Legacy,
}

impl Protocol {
    /// All that we speak.
    pub(super) const ALL: [Self; 2] = [Self::Transport, Self::Legacy];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Transport => "graphql-transport-ws",
            Self::Legacy => "graphql-ws",
        }
    }

    pub(super) fn kind(self, name: &str) -> Option<Kind> {
        Some(match (self, name) {
            (_, "connection_init") => Kind::Init,
            (Self::Transport, "subscribe") | (Self::Legacy, "start") => Kind::Start,
            (Self::Transport, "complete") | (Self::Legacy, "stop") => Kind::Stop,
            (Self::Transport, "ping") => Kind::Ping,
            (Self::Transport, "pong") => Kind::Pong,
            (Self::Legacy, "connection_terminate") => Kind::Terminate,
            _ => return None,
        })
    }
}

/// What a client's message asks for.
pub(super) enum Kind {
    Init,
    Start,
    Stop,
    Ping,
    Pong,
    Terminate,
}

/// Why a socket is closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) code: u16,
    pub(super) reason: String,
}

impl Closing {
    pub(super) fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        Self { code, reason }
    }

    /// The caller may do nothing here, or no longer.
    pub(super) fn forbidden(why: &Error) -> Self {
        Self::new(4403, why.to_string())
    }

    pub(super) fn init_timeout() -> Self {
        Self::new(4408, "connection_init did not come in time")
    }

    pub(super) fn binary() -> Self {
        Self::bad("a message is JSON in a text frame, not a binary one")
    }

    pub(super) fn bad(reason: impl Into<String>) -> Self {
        Self::new(4400, reason)
    }
}

/// What an operation's messages are marked with.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) id: Arc<str>,
    /// A message with a result, up to its payload.
    opening: Box<str>,
}

impl Label {
    pub(super) fn new(protocol: Protocol, id: &str) -> Self {
        let event = match protocol {
            Protocol::Transport => "next",
            Protocol::Legacy => "data",
        };
        let opening = format!(r#"{{"id":{},"type":"{event}","payload":"#, Json::from(id));
        Self {
            id: id.into(),
            opening: opening.into(),
        }
    }

    /// The message with this result, which is JSON already.
    pub(super) fn result(&self, payload: &str) -> String {
        let mut text = String::with_capacity(self.opening.len() + payload.len() + 1);
        text.push_str(&self.opening);
        text.push_str(payload);
        text.push('}');
        text
    }
}

/// The message that an operation has come to its end.
pub(super) fn complete(id: &str) -> String {
    json!({ "id": id, "type": "complete" }).to_string()
}

/// The id of the operation that a message is about.
pub(super) fn id(message: &Map<String, Json>) -> Result<&str, Closing> {
    match message.get("id") {
        Some(Json::String(id)) if id.is_empty() => Err(Closing::bad("id: it may not be empty")),
        Some(Json::String(id)) if id.len() > MAX_ID => Err(Closing::bad(format!(
            "id: at most {MAX_ID} bytes, got {}",
            id.len()
        ))),
        Some(Json::String(id)) => Ok(id),
        _ => Err(Closing::bad("id: a String is needed")),
    }
}

/// A message's payload, taken out of it.
pub(super) fn payload(
    message: &mut Map<String, Json>,
) -> Result<Option<Map<String, Json>>, Closing> {
    match message.remove("payload") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(payload)) => Ok(Some(payload)),
        Some(_) => Err(Closing::bad("payload: an object is needed")),
    }
}
