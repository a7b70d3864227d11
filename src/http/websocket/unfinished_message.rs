//! What a socket holds of a message that is not all there. The library does not tell, so it is what
//! the connection has received behind the last whole message.

use axum::extract::ws::Message;

use crate::{
    app::App,
    auth::request_context::RequestContext,
    http::{
        listener::received_bytes::ReceivedBytes,
        websocket::{protocol::CloseReason, session::MAX_UNOPENED},
    },
    memory::MemoryShare,
};

/// The bytes of a control frame beside its payload: two, and the client's mask of four.
const CONTROL_FRAME: u64 = 6;

/// The bytes of a message that is not all there.
pub(crate) struct UnfinishedMessage {
    received: ReceivedBytes,
    /// Up to where the received bytes are of whole messages.
    read: u64,
    /// Whether there are bytes behind it.
    pub(crate) has_begun: bool,
    /// Whether the caller is known, and may send long messages.
    pub(crate) is_open: bool,
    held: usize,
    memory: MemoryShare,
}

impl UnfinishedMessage {
    pub(crate) fn new(received: ReceivedBytes, app: &App, context: &RequestContext) -> Self {
        Self {
            read: received.total(),
            received,
            has_begun: false,
            is_open: false,
            held: 0,
            memory: app.rate_limiter.memory(context).hold(0),
        }
    }

    /// Notes that nothing more is to be read for now. Returns whether a message has begun since the
    /// last time, or why it is not received to its end.
    pub(crate) fn on_pending(&mut self) -> Result<bool, CloseReason> {
        let bytes = self.received.total().saturating_sub(self.read);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if !self.is_open && bytes > MAX_UNOPENED {
            return Err(CloseReason::too_early());
        }
        let more = bytes.saturating_sub(self.held);
        let taken = self.memory.grow(more);
        taken.map_err(|refusal| CloseReason::try_again(&refusal))?;
        self.held += more;
        let begins = bytes > 0 && !self.has_begun;
        self.has_begun = bytes > 0;
        Ok(begins)
    }

    /// Notes a message that was received.
    pub(crate) fn on_received(&mut self, message: &Message) {
        let total = self.received.total();
        self.read = match message {
            // It may stand between the frames of a message that goes on.
            Message::Ping(payload) | Message::Pong(payload) => {
                (self.read + CONTROL_FRAME + payload.len() as u64).min(total)
            }
            // Whatever is behind it in the buffer, which is small, counts with the next bytes.
            Message::Text(_) | Message::Binary(_) | Message::Close(_) => total,
        };
        self.has_begun &= self.read < total;
        if !self.has_begun {
            self.held = 0;
            self.memory.resize(0);
        }
    }
}
