//! A socket's deadlines, as a state machine without I/O: when to check them next, and what is due.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::http::HttpConfig;

/// A deadline that has passed, which ends the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// The client sent no `connection_init`.
    Init,
    /// The client began a message and did not end it.
    Message,
    /// The client read nothing.
    Write,
    /// The client sent nothing after a ping.
    Ping,
}

/// Which messages to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DueMessages {
    pub(crate) ping: bool,
    pub(crate) keep_alive: bool,
}

/// The state that a socket's deadlines depend on.
#[derive(Debug)]
pub(crate) struct Liveness {
    init_deadline: Instant,
    /// How long a client may be silent before it is pinged, and as long again until it is dropped.
    /// Also the interval of keep-alive messages.
    ping_interval: Duration,
    /// How long a client may read nothing.
    write_timeout: Duration,
    last_received: Instant,
    /// When the client was pinged; `None` if something was received since.
    pinged_at: Option<Instant>,
    /// When the last keep-alive message of the legacy subprotocol was sent or skipped.
    last_keep_alive: Instant,
    /// Since when a write has been blocked.
    blocked_since: Option<Instant>,
    /// How long a message may take from its first byte to its last.
    read_timeout: Duration,
    /// Since when a message is not all there.
    message_since: Option<Instant>,
}

impl Liveness {
    pub(crate) fn new(config: &HttpConfig, read_timeout: Duration, now: Instant) -> Self {
        Self {
            init_deadline: now + Duration::from_secs(config.socket_init_seconds),
            ping_interval: Duration::from_secs(config.socket_ping_seconds),
            write_timeout: Duration::from_secs(config.write_timeout_seconds),
            last_received: now,
            pinged_at: None,
            last_keep_alive: now,
            blocked_since: None,
            read_timeout,
            message_since: None,
        }
    }

    /// Returns when to call `check` next.
    pub(crate) fn next_deadline(&self, is_open: bool, is_kept_alive: bool) -> Instant {
        // While writes are blocked nothing is read, so no answer to a ping could arrive.
        let mut deadline = match (self.blocked_since, self.pinged_at) {
            (Some(since), _) => since + self.write_timeout,
            (None, Some(pinged)) => pinged + self.ping_interval,
            (None, None) => self.last_received + self.ping_interval,
        };
        if let (None, Some(since)) = (self.blocked_since, self.message_since) {
            deadline = deadline.min(since + self.read_timeout);
        }
        if is_kept_alive {
            deadline = deadline.min(self.last_keep_alive + self.ping_interval);
        }
        if !is_open {
            deadline = deadline.min(self.init_deadline);
        }
        deadline
    }

    /// Returns which messages are due and counts them as sent, or which deadline has passed.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        is_open: bool,
        is_kept_alive: bool,
    ) -> Result<DueMessages, Expired> {
        if !is_open && now >= self.init_deadline {
            return Err(Expired::Init);
        }
        let message_since = self.message_since.filter(|_| self.blocked_since.is_none());
        if message_since.is_some_and(|since| now >= since + self.read_timeout) {
            return Err(Expired::Message);
        }
        let mut due = DueMessages {
            ping: false,
            keep_alive: false,
        };
        if let Some(since) = self.blocked_since {
            if now >= since + self.write_timeout {
                return Err(Expired::Write);
            }
        } else if let Some(pinged) = self.pinged_at {
            if now >= pinged + self.ping_interval {
                return Err(Expired::Ping);
            }
        } else if now >= self.last_received + self.ping_interval {
            self.pinged_at = Some(now);
            due.ping = true;
        }
        if is_kept_alive && now >= self.last_keep_alive + self.ping_interval {
            self.last_keep_alive = now;
            // Skipped if it would only queue behind waiting messages, to a client that reads none.
            due.keep_alive = self.blocked_since.is_none();
        }
        Ok(due)
    }

    /// Notes that the client has sent something.
    pub(crate) fn on_received(&mut self, now: Instant) {
        self.last_received = now;
        self.pinged_at = None;
    }

    /// Notes whether a message has begun that is not all there.
    pub(crate) fn on_message(&mut self, has_begun: bool, now: Instant) {
        self.message_since = has_begun.then(|| self.message_since.unwrap_or(now));
    }

    /// Notes that a write is blocked. Each call restarts the timeout, because the transport reports
    /// it again only after the client has read something.
    pub(crate) fn on_blocked(&mut self, now: Instant) {
        self.blocked_since = Some(now);
    }

    /// Notes that all waiting messages are written.
    pub(crate) fn on_written(&mut self, now: Instant) {
        if self.blocked_since.take().is_some() {
            // Nothing was read meanwhile, so the client's silence counts from now.
            self.on_received(now);
            self.message_since = self.message_since.map(|_| now);
        }
    }
}
