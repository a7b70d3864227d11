//! A socket's deadlines: when its clock must be looked at, and what is due then.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::http::HttpConfig;

/// A deadline that has passed: the socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// No `connection_init` came.
    Init,
    /// The client took nothing.
    Write,
    /// The client answered no ping.
    Ping,
}

/// The messages that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DueMessages {
    pub(crate) ping: bool,
    pub(crate) keep_alive: bool,
}

/// What a socket's deadlines depend on.
#[derive(Debug)]
pub(crate) struct Liveness {
    init_deadline: Instant,
    /// How long a client may be silent before it is pinged, and then again before it is dropped.
    ping_interval: Duration,
    /// How long a client may take nothing.
    write_timeout: Duration,
    last_received: Instant,
    /// When the client was pinged, if nothing was received since.
    pinged_at: Option<Instant>,
    /// When the last keep-alive message of the legacy subprotocol was sent.
    last_keep_alive: Instant,
    /// Since when the client takes nothing.
    blocked_since: Option<Instant>,
}

impl Liveness {
    pub(crate) fn new(config: &HttpConfig, now: Instant) -> Self {
        Self {
            init_deadline: now + Duration::from_secs(config.socket_init_seconds),
            ping_interval: Duration::from_secs(config.socket_ping_seconds),
            write_timeout: Duration::from_secs(config.write_timeout_seconds),
            last_received: now,
            pinged_at: None,
            last_keep_alive: now,
            blocked_since: None,
        }
    }

    /// When `check` is to be called next.
    pub(crate) fn next_deadline(&self, is_open: bool, is_kept_alive: bool) -> Instant {
        let mut deadline = match (self.blocked_since, self.pinged_at) {
            (Some(since), _) => since + self.write_timeout,
            (None, Some(pinged)) => pinged + self.ping_interval,
            (None, None) => self.last_received + self.ping_interval,
        };
        if is_kept_alive {
            deadline = deadline.min(self.last_keep_alive + self.ping_interval);
        }
        if !is_open {
            deadline = deadline.min(self.init_deadline);
        }
        deadline
    }

    /// Says which messages are due, which then count as sent, or which deadline has passed.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        is_open: bool,
        is_kept_alive: bool,
    ) -> Result<DueMessages, Expired> {
        if !is_open && now >= self.init_deadline {
            return Err(Expired::Init);
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
            // Behind messages that wait it would say nothing.
            due.keep_alive = self.blocked_since.is_none();
        }
        Ok(due)
    }

    /// The client has sent something.
    pub(crate) fn on_received(&mut self, now: Instant) {
        self.last_received = now;
        self.pinged_at = None;
    }

    /// The client takes nothing more. Each call begins the wait anew.
    pub(crate) fn on_blocked(&mut self, now: Instant) {
        self.blocked_since = Some(now);
    }

    /// All that waited is written.
    pub(crate) fn on_written(&mut self, now: Instant) {
        if self.blocked_since.take().is_some() {
            // Nothing was read meanwhile, so the client's silence counts from here.
            self.on_received(now);
        }
    }
}
