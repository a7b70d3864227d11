//! Whether a database takes writes, and why not, as far as is known.

use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;

use crate::domain::{
    error::{Error, Result},
    read_only::ReadOnlyReason,
};

/// Whether a database takes writes. A clone shares what is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writability {
    /// A reason that holds as long as the server runs.
    fixed: Option<ReadOnlyReason>,
    /// What stopped the last write or probe, and when it last did.
    obstacle: Arc<Mutex<Option<(Error, Instant)>>>,
}

impl Writability {
    /// For a database that is never written to, if there is a reason.
    pub(crate) fn new(fixed: Option<ReadOnlyReason>) -> Self {
        Self {
            fixed,
            ..Self::default()
        }
    }

    /// Whether nothing of this database is ever written.
    pub(crate) fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// Fails where the database is known to take no writes.
    ///
    /// # Errors
    /// `ReadOnly` or `DiskFull`.
    pub(crate) fn check(&self) -> Result<()> {
        match (self.fixed, &*self.obstacle.lock()) {
            (Some(reason), _) => Err(Error::ReadOnly(reason)),
            (None, Some((error, _))) => Err(error.clone()),
            (None, None) => Ok(()),
        }
    }

    /// When a write last failed on a full disk, if none has worked since.
    pub(crate) fn disk_full_since(&self) -> Option<Instant> {
        match &*self.obstacle.lock() {
            Some((Error::DiskFull, at)) => Some(*at),
            _ => None,
        }
    }

    /// Learns from how a write, or a probe of one, ended. Logs a change.
    pub(crate) fn learn<T>(&self, outcome: &Result<T>) {
        let found = match outcome {
            Ok(_) => None,
            Err(error @ (Error::DiskFull | Error::ReadOnly(ReadOnlyReason::Server))) => Some(error),
            // Says nothing of other writes.
            Err(_) => return,
        };
        let mut obstacle = self.obstacle.lock();
        let text = |error: &Error| error.to_string();
        let known = obstacle.as_ref().map(|(error, _)| text(error));
        if known != found.map(text) {
            if let Some(why) = found {
                tracing::warn!(%why, "the database takes no writes");
            } else {
                tracing::info!("the database takes writes again");
            }
        }
        *obstacle = found.map(|error| (error.clone(), Instant::now()));
    }
}
