//! The kinds of events in the change feed.

/// What a change of a step was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EventKind {
    /// Not a change: the step as it is, at the start of a stream.
    Snapshot,
    /// The step was added.
    New,
    /// It was started.
    Started,
    /// Anything else changed.
    Updated,
    /// It was finished.
    Finished,
}

impl EventKind {
    /// The code that the database holds.
    pub(crate) fn code(self) -> i16 {
        match self {
            // Never in the table: the events of a snapshot are made from steps.
            Self::Snapshot => 0,
            Self::New => 1,
            Self::Started => 2,
            Self::Updated => 3,
            Self::Finished => 4,
        }
    }

    /// The kind with this code; an unknown one is an update.
    pub(crate) fn from_code(code: i16) -> Self {
        match code {
            1 => Self::New,
            2 => Self::Started,
            4 => Self::Finished,
            _ => Self::Updated,
        }
    }
}
