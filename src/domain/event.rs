//! The kinds of events in the change feed.

/// What a change of a builder, build, step or log was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EventKind {
    /// Not a change: the object as it is, at the start of a stream.
    Snapshot,
    /// The object was added.
    New,
    /// The step was started; others have no such event.
    Started,
    /// Anything else changed.
    Updated,
    /// The build, step or log was finished.
    Finished,
    /// Not a change: all that was asked for up to here has been sent.
    CaughtUp,
}

impl EventKind {
    /// The code that the database holds.
    pub(crate) fn code(self) -> i16 {
        match self {
            // Never in the table: such events are made for one stream.
            Self::Snapshot | Self::CaughtUp => 0,
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
