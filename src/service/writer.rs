//! Who writes, and how a write is repeated without harm.

use crate::{
    app::deadline::Deadline,
    auth::caller::Caller,
    service::{idempotency::ClaimedKey, presence::Presence},
};

/// Who writes; perhaps a root field of a mutation with an idempotency key.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) caller: Caller,
    pub(crate) keyed: Option<KeyedField>,
    /// Of the client that waits for it.
    pub(crate) presence: Presence,
}

/// A root field of a mutation with an idempotency key.
#[derive(Clone, Debug)]
pub(crate) struct KeyedField {
    pub(crate) key: ClaimedKey,
    /// Its place in the operation, from 0.
    pub(crate) field: i32,
    /// Until when the server repeats a write whose outcome is unknown.
    pub(crate) deadline: Deadline,
}

impl Writer {
    /// The program itself: the demo's builders.
    pub(crate) fn local() -> Self {
        Self {
            caller: Caller::local(),
            keyed: None,
            presence: Presence::default(),
        }
    }
}
