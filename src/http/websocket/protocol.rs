//! The messages of the two subprotocols, their parts, and the close codes.

use std::sync::Arc;

use axum::extract::ws::close_code;
use serde_json::{Map, Value as Json, json};

use crate::{domain::error::Error, graphql::execute::outcome::Interruption};

/// The longest id of an operation, in bytes. It is bounded because every message repeats it.
pub(crate) const MAX_ID: usize = 256;
/// The longest reason in bytes: a control frame holds 125, and the close code takes two of them.
const MAX_REASON: usize = 123;

/// A subprotocol of GraphQL over WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subprotocol {
    /// graphql-transport-ws.
    Transport,
    /// graphql-ws, the older subprotocol, of Apollo's subscriptions-transport-ws.
    Legacy,
}

impl Subprotocol {
    /// Every subprotocol that the server speaks.
    pub(crate) const ALL: [Self; 2] = [Self::Transport, Self::Legacy];

    /// The name in `Sec-WebSocket-Protocol`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Transport => "graphql-transport-ws",
            Self::Legacy => "graphql-ws",
        }
    }

    /// Returns the kind of a client's message with this `type`, or `None` if it is unknown.
    pub(crate) fn kind(self, name: &str) -> Option<MessageKind> {
        Some(match (self, name) {
            (_, "connection_init") => MessageKind::Init,
            (Self::Transport, "subscribe") | (Self::Legacy, "start") => MessageKind::Start,
            (Self::Transport, "complete") | (Self::Legacy, "stop") => MessageKind::Stop,
            (Self::Transport, "ping") => MessageKind::Ping,
            (Self::Transport, "pong") => MessageKind::Pong,
            (Self::Legacy, "connection_terminate") => MessageKind::Terminate,
            _ => return None,
        })
    }
}

/// The kind of a client's message.
pub(crate) enum MessageKind {
    Init,
    Start,
    Stop,
    Ping,
    Pong,
    Terminate,
}

/// Why a socket is closed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CloseReason {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

impl CloseReason {
    /// Makes a close reason, truncated if it is too long for a close frame.
    pub(crate) fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        // At a character's boundary, because a close reason must be UTF-8.
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        Self { code, reason }
    }

    /// The caller may not use the server, or may no longer.
    pub(crate) fn forbidden(why: &Error) -> Self {
        Self::new(4403, why.to_string())
    }

    /// A subscription cannot go on for now. Clients reconnect at this code ("try again later") and
    /// resume all their subscriptions; none retries after an `error` message.
    pub(crate) fn interrupted(why: &Interruption) -> Self {
        let code = why.code.name();
        Self::new(
            close_code::AGAIN,
            match &why.cursor {
                Some(cursor) => format!("{code}: subscribe again with after: {cursor}"),
                None => format!("{code}: subscribe again"),
            },
        )
    }

    pub(crate) fn going_away() -> Self {
        Self::new(close_code::AWAY, "the server is going down")
    }

    pub(crate) fn init_timeout() -> Self {
        Self::new(4408, "connection_init did not come in time")
    }

    /// A message began and did not end. Clients do not try again at this code ("policy violation"):
    /// it would take as long again.
    pub(crate) fn message_timeout(seconds: u64) -> Self {
        let rule = format!("read-timeout-seconds is {seconds}, and a message was not all there");
        Self::new(close_code::POLICY, rule)
    }

    /// There is no memory for what comes in, or the caller has no points for it.
    pub(crate) fn try_again(refusal: &Error) -> Self {
        Self::new(close_code::AGAIN, refusal.to_string())
    }

    /// A long message came before the caller was known.
    pub(crate) fn too_early() -> Self {
        Self::new(
            close_code::SIZE,
            "a long message came before connection_init",
        )
    }

    pub(crate) fn binary() -> Self {
        Self::bad("a message is JSON in a text frame, not a binary one")
    }

    /// The message breaks the protocol.
    pub(crate) fn bad(reason: impl Into<String>) -> Self {
        Self::new(4400, reason)
    }
}

/// What the messages of one operation have in common.
#[derive(Debug)]
pub(crate) struct MessageLabel {
    pub(crate) id: Arc<str>,
    /// A message with a result, up to its payload. Made once, because there may be many events.
    opening: Box<str>,
}

impl MessageLabel {
    pub(crate) fn new(protocol: Subprotocol, id: &str) -> Self {
        let event = match protocol {
            Subprotocol::Transport => "next",
            Subprotocol::Legacy => "data",
        };
        // The id may be any text, so it is escaped as JSON.
        let opening = format!(r#"{{"id":{},"type":"{event}","payload":"#, Json::from(id));
        Self {
            id: id.into(),
            opening: opening.into(),
        }
    }

    /// Makes the message with this result, which must be JSON.
    pub(crate) fn result(&self, payload: &str) -> String {
        // Concatenated and not parsed again: a shared subscription sends one text to all members.
        let mut text = String::with_capacity(self.opening.len() + payload.len() + 1);
        text.push_str(&self.opening);
        text.push_str(payload);
        text.push('}');
        text
    }
}

/// Makes the message that says that an operation is complete.
pub(crate) fn complete(id: &str) -> String {
    json!({ "id": id, "type": "complete" }).to_string()
}

/// Returns the id of a message's operation.
pub(crate) fn id(message: &Map<String, Json>) -> Result<&str, CloseReason> {
    match message.get("id") {
        Some(Json::String(id)) if id.is_empty() => Err(CloseReason::bad("id: it may not be empty")),
        Some(Json::String(id)) if id.len() > MAX_ID => Err(CloseReason::bad(format!(
            "id: at most {MAX_ID} bytes, got {}",
            id.len()
        ))),
        Some(Json::String(id)) => Ok(id),
        _ => Err(CloseReason::bad("id: a String is needed")),
    }
}

/// Takes the payload out of a message.
pub(crate) fn payload(
    message: &mut Map<String, Json>,
) -> Result<Option<Map<String, Json>>, CloseReason> {
    match message.remove("payload") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(payload)) => Ok(Some(payload)),
        Some(_) => Err(CloseReason::bad("payload: an object is needed")),
    }
}
