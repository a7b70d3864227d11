//! The clock that gives updates their times: the system's, or one that stands where it is set.

pub(crate) mod once_per_second;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// Where times come from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's time.
    #[default]
    System,
    /// A time that moves only when it is set, for tests.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `seconds` since the epoch.
    #[must_use]
    pub fn fixed(seconds: i64) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(seconds)))
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the system's time"
    )]
    pub fn now(&self) -> i64 {
        match self {
            Self::System => chrono::Utc::now().timestamp(),
            Self::Fixed(seconds) => seconds.load(Ordering::Relaxed),
        }
    }

    /// Sets a fixed clock to `seconds`. The system's clock ignores it.
    pub fn set(&self, seconds: i64) {
        if let Self::Fixed(clock) = self {
            clock.store(seconds, Ordering::Relaxed);
        }
    }
}
