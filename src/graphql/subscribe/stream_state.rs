//! Where a subscription's stream stands. Its resolver notes it, and whoever takes the responses
//! reads it: async-graphql hands over responses alone.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::id::Position;

/// Where one stream stands. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct StreamState(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    stage: Stage,
    delivered: Option<Position>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing was streamed; what comes now is why not.
    #[default]
    Opening,
    Open,
    /// The source has failed: the next response says why, and is the last.
    Failed,
}

impl StreamState {
    /// The stream has begun.
    pub(crate) fn open(&self) {
        self.0.lock().stage = Stage::Open;
    }

    /// The stream ends with the next response.
    pub(crate) fn fail(&self) {
        self.0.lock().stage = Stage::Failed;
    }

    /// Whoever has the next response has everything up to here; `None` within a snapshot.
    pub(crate) fn set_delivered(&self, delivered: Option<Position>) {
        self.0.lock().delivered = delivered;
    }

    /// The stream has begun, and its source has not failed.
    pub(crate) fn is_open(&self) -> bool {
        self.0.lock().stage == Stage::Open
    }

    /// Up to where everything was delivered; `None` within a snapshot.
    pub(crate) fn delivered(&self) -> Option<Position> {
        self.0.lock().delivered
    }
}
