//! Reads and writes a socket. All waiting messages are written before the next one is read, so a
//! client that sends without reading blocks itself and costs no memory.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Error,
    body::Bytes,
    extract::ws::{CloseFrame, Message, WebSocket, close_code},
};
use futures_util::{SinkExt, StreamExt};
use tokio::time::{sleep, timeout};
use tungstenite::error::ProtocolError;

use crate::{
    app::App,
    auth::request_context::RequestContext,
    http::{
        listener::received_bytes::ReceivedBytes,
        websocket::{
            protocol::CloseReason, session::Outbox, unfinished_message::UnfinishedMessage,
        },
    },
    memory::MemoryShare,
};

/// How long a closing handshake may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// An event on a socket.
pub(crate) enum TransportEvent {
    /// All waiting messages are written.
    Written,
    /// A write is blocked. Reported again only after the client has read something meanwhile.
    Blocked,
    /// A message was received, and all waiting messages are written.
    Received(Message),
    /// The client sent something that is not a valid message.
    Refused(CloseReason),
    /// A message has begun that is not all there; all waiting messages are written.
    Begun,
    /// The connection is lost.
    Gone,
}

/// A socket and the messages that wait to be written to it.
pub(crate) struct Transport {
    socket: WebSocket,
    /// Messages that wait to be written.
    pub(crate) outbox: Outbox,
    is_ping_due: bool,
    is_flushed: bool,
    /// `Blocked` was reported, and nothing was written since.
    is_blocked: bool,
    /// What was received of a message that is not all there.
    unfinished: UnfinishedMessage,
    /// The messages in the outbox and in the library's buffer, in bytes.
    waiting: usize,
    waiting_memory: MemoryShare,
}

impl Transport {
    pub(crate) fn new(
        socket: WebSocket,
        received: ReceivedBytes,
        app: &App,
        context: &RequestContext,
    ) -> Self {
        Self {
            unfinished: UnfinishedMessage::new(received, app, context),
            waiting: 0,
            waiting_memory: app.rate_limiter.memory(context).hold(0),
            socket,
            outbox: Outbox::new(),
            is_ping_due: false,
            is_flushed: true,
            is_blocked: false,
        }
    }

    /// Whether a message has begun that is not all there.
    pub(crate) fn has_begun(&self) -> bool {
        self.unfinished.has_begun
    }

    /// Takes messages of any length from now on: the caller is known.
    pub(crate) fn open(&mut self) {
        self.unfinished.is_open = true;
    }

    /// Sends a ping ahead of the waiting messages.
    pub(crate) fn ping(&mut self) {
        self.is_ping_due = true;
    }

    /// Waits for the next event. Cancel safe: all state is in `self`, not in the future.
    pub(crate) async fn next(&mut self) -> TransportEvent {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TransportEvent> {
        let has_output = !self.outbox.is_empty() || self.is_ping_due || !self.is_flushed;
        if has_output {
            let outbox: usize = self.outbox.iter().map(String::len).sum();
            self.waiting_memory.resize(self.waiting + outbox);
            match self.poll_write(cx) {
                Poll::Ready(Ok(())) => self.is_blocked = false,
                Poll::Ready(Err(_)) => return Poll::Ready(TransportEvent::Gone),
                Poll::Pending if self.is_blocked => return Poll::Pending,
                Poll::Pending => {
                    self.is_blocked = true;
                    return Poll::Ready(TransportEvent::Blocked);
                }
            }
        }
        match self.socket.poll_next_unpin(cx) {
            Poll::Ready(message) => Poll::Ready(self.on_message(message)),
            Poll::Pending => match self.unfinished.on_pending() {
                Err(reason) => Poll::Ready(TransportEvent::Refused(reason)),
                Ok(true) => Poll::Ready(TransportEvent::Begun),
                Ok(false) if has_output => Poll::Ready(TransportEvent::Written),
                Ok(false) => Poll::Pending,
            },
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while self.is_ping_due || !self.outbox.is_empty() {
            ready!(self.socket.poll_ready_unpin(cx))?;
            if std::mem::take(&mut self.is_ping_due) {
                self.socket.start_send_unpin(Message::Ping(Bytes::new()))?;
            } else if let Some(text) = self.outbox.pop_front() {
                self.waiting += text.len();
                self.socket.start_send_unpin(Message::Text(text.into()))?;
            }
            self.is_flushed = false;
            self.is_blocked = false;
        }
        ready!(self.socket.poll_flush_unpin(cx))?;
        self.is_flushed = true;
        self.waiting = 0;
        self.waiting_memory.resize(0);
        Poll::Ready(Ok(()))
    }

    fn on_message(&mut self, message: Option<Result<Message, Error>>) -> TransportEvent {
        match message {
            Some(Ok(message)) => {
                self.unfinished.on_received(&message);
                // The library has queued a pong, which a flush sends before the next read.
                if matches!(message, Message::Ping(_)) {
                    self.is_flushed = false;
                }
                TransportEvent::Received(message)
            }
            Some(Err(error)) => {
                close_reason(error).map_or(TransportEvent::Gone, TransportEvent::Refused)
            }
            None => TransportEvent::Gone,
        }
    }

    /// Closes the socket and waits for the client's close frame.
    pub(crate) async fn close(mut self, reason: CloseReason) {
        if self.send_close(reason).await {
            self.drain().await;
        }
    }

    /// Closes a socket that can no longer be read, so that the client's close cannot be awaited.
    pub(crate) async fn refuse(mut self, reason: CloseReason) {
        if self.send_close(reason).await {
            // If it closed with unread bytes, TCP would send a reset, which discards the frame.
            sleep(CLOSE_TIMEOUT).await;
        }
    }

    /// Discards what the client still sends until the connection ends, at most `CLOSE_TIMEOUT`.
    pub(crate) async fn drain(mut self) {
        let rest = async { while let Some(Ok(_)) = self.socket.next().await {} };
        let _ = timeout(CLOSE_TIMEOUT, rest).await;
    }

    /// Writes the waiting messages and the close frame. Returns whether that succeeded in time.
    async fn send_close(&mut self, reason: CloseReason) -> bool {
        let all = async {
            // First, because a `connection_error` that explains the close may be waiting.
            std::future::poll_fn(|cx| self.poll_write(cx)).await?;
            let frame = CloseFrame {
                code: reason.code,
                reason: reason.reason.into(),
            };
            self.socket.send(Message::Close(Some(frame))).await
        };
        timeout(CLOSE_TIMEOUT, all)
            .await
            .is_ok_and(|sent| sent.is_ok())
    }
}

/// Returns the close reason for an error, or `None` if the connection itself has failed.
fn close_reason(error: Error) -> Option<CloseReason> {
    use tungstenite::Error as Cause;
    // Works only while axum and this crate use the same version of tungstenite.
    let cause = error.into_inner().downcast::<Cause>().ok()?;
    let code = match *cause {
        Cause::Capacity(_) => close_code::SIZE,
        Cause::Utf8(_) => close_code::INVALID,
        // The client is gone, so nobody could read a close frame.
        Cause::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return None,
        Cause::Protocol(_) => close_code::PROTOCOL,
        _ => return None,
    };
    Some(CloseReason::new(code, cause.to_string()))
}
