//! What connections are for.

/// What connections are for, and so what they may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Reading a database of an unknown owner, or an empty one.
    Inspect,
    /// The one change that a command makes.
    Command,
    /// Copying an SQLite database, whosever it is.
    Copy,
    /// Writing to our own.
    Write,
    /// Reading our own.
    Read,
    /// Reading a Buildbot master's.
    ReadBuildbots,
    /// Writing to the feed's own tables in a Buildbot master's; connects when there is something to
    /// write.
    KeepFeed,
    /// Putting the feed into a Buildbot master's, or taking it out.
    Install,
}

impl Purpose {
    pub(crate) fn is_read_only(self) -> bool {
        matches!(self, Self::Inspect | Self::Read | Self::ReadBuildbots)
    }
}
