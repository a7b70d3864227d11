//! The state of a subscription's stream. Its resolver writes it and the reader of its responses
//! reads it, since async-graphql passes on nothing but responses.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::bookmark::Bookmark;

/// The state of one stream. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct StreamState(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    stage: Stage,
    /// With each event of the next response.
    delivered: Vec<Option<Bookmark>>,
    /// The cursor that the client has asked to resume from.
    resume: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing has been streamed; a response is a refusal.
    #[default]
    Opening,
    Open,
    /// The source has failed; the next response has the error, and is the last.
    Failed,
}

impl StreamState {
    /// Marks the stream as begun.
    pub(crate) fn open(&self) {
        self.0.lock().stage = Stage::Open;
    }

    /// Notes where the client asks to resume.
    pub(crate) fn set_resume(&self, cursor: String) {
        self.0.lock().resume = Some(cursor);
    }

    /// Where the client has asked to resume.
    pub(crate) fn resume(&self) -> Option<String> {
        self.0.lock().resume.clone()
    }

    /// Marks the source as failed: the stream ends with the next response.
    pub(crate) fn fail(&self) {
        self.0.lock().stage = Stage::Failed;
    }

    /// A client with an event of the next response has everything up to here; `None` within a
    /// snapshot.
    pub(crate) fn set_delivered(&self, delivered: impl IntoIterator<Item = Option<Bookmark>>) {
        let mut state = self.0.lock();
        state.delivered.clear();
        state.delivered.extend(delivered);
    }

    /// Whether the stream has begun and its source has not failed.
    pub(crate) fn is_open(&self) -> bool {
        self.0.lock().stage == Stage::Open
    }

    /// How far the client has everything; `None` within a snapshot.
    pub(crate) fn delivered(&self) -> Option<Bookmark> {
        self.0.lock().delivered.last().copied().flatten()
    }

    /// The same with each event of the next response.
    pub(crate) fn delivered_by_event(&self) -> Vec<Option<Bookmark>> {
        self.0.lock().delivered.clone()
    }
}
