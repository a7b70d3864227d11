//! How long a server may be silent, as a state machine without I/O: when to ask, and when it is
//! gone.

use std::time::Duration;

use tokio::time::Instant;

/// After this long it is asked whether it is there.
const ASK_AFTER: Duration = Duration::from_secs(10);
/// After this long it is gone.
const GONE_AFTER: Duration = Duration::from_secs(25);

/// What is to be done about a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SilenceEnd {
    /// Nothing yet.
    Wait,
    /// Send a ping.
    Ask,
    /// Give the connection up.
    Gone,
}

/// The silence of one connection.
#[derive(Debug)]
pub(crate) struct Silence {
    since: Instant,
    has_asked: bool,
    is_live: bool,
}

impl Silence {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            has_asked: false,
            is_live: false,
        }
    }

    /// Something of builds has come, or the protocol has gone a step.
    pub(crate) fn hear(&mut self, now: Instant) {
        (self.since, self.has_asked) = (now, false);
    }

    /// An answer to a ping has come. Until all there is has come, it does not count: a server that
    /// only answers pings has an operation that does not end.
    pub(crate) fn hear_pong(&mut self, now: Instant) {
        if self.is_live {
            self.hear(now);
        }
    }

    /// What there is has come: from now on silence is normal.
    pub(crate) fn go_live(&mut self) {
        self.is_live = true;
    }

    /// For how long nothing has come.
    pub(crate) fn length(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// When to look next.
    pub(crate) fn deadline(&self) -> Instant {
        let after = if self.has_asked {
            GONE_AFTER
        } else {
            ASK_AFTER
        };
        self.since + after
    }

    /// What is due.
    pub(crate) fn check(&mut self, now: Instant) -> SilenceEnd {
        if now < self.deadline() {
            return SilenceEnd::Wait;
        }
        if self.has_asked {
            return SilenceEnd::Gone;
        }
        self.has_asked = true;
        SilenceEnd::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_server_is_asked_and_then_given_up() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut silence = Silence::new(start);
        silence.go_live();
        assert_eq!(silence.check(at(9)), SilenceEnd::Wait);
        assert_eq!(silence.check(at(10)), SilenceEnd::Ask);
        silence.hear_pong(at(11));
        assert_eq!(silence.check(at(20)), SilenceEnd::Wait);
        assert_eq!(silence.check(at(21)), SilenceEnd::Ask);
        assert_eq!(silence.check(at(35)), SilenceEnd::Wait);
        assert_eq!(silence.check(at(36)), SilenceEnd::Gone);
    }

    #[test]
    fn pongs_alone_do_not_make_a_snapshot() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        assert_eq!(silence.check(start + ASK_AFTER), SilenceEnd::Ask);
        silence.hear_pong(start + ASK_AFTER);
        assert_eq!(silence.check(start + GONE_AFTER), SilenceEnd::Gone);
    }
}
