//! Logs values of `UncheckedInt` columns that are not numbers.

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;

/// How many values are logged at most, which also bounds the set.
const MAX_REPORTED: usize = 10_000;

/// The columns and ids of the rows that the log has named.
#[derive(Clone, Debug, Default)]
pub(crate) struct InvalidValues(Arc<Mutex<HashSet<(&'static str, i32)>>>);

impl InvalidValues {
    /// Logs, once, that a row holds a value that no Buildbot should have written.
    pub(crate) fn report(&self, column: &'static str, id: i32) {
        let mut reported = self.0.lock();
        if reported.len() < MAX_REPORTED && reported.insert((column, id)) {
            tracing::warn!(column, id, "a value that cannot be read is shown as none");
        }
    }
}
