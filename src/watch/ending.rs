//! How a watch ends, and the exit status that says so.

/// The lowest status of a result that is not good: Buildbot's code is added to it.
const RESULTS: u8 = 10;

/// How a watch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The build is complete, with these results.
    Complete(Option<String>),
    /// The log that is followed is finished.
    LogFinished,
    /// Nobody reads standard output any more.
    Unread,
    /// It took longer than `--timeout`, so many seconds.
    TimedOut(u64),
    /// A signal of this number came.
    Signalled(u8),
}

impl Ending {
    /// The exit status; `None` for results that are unknown.
    pub(crate) fn status(&self) -> Option<u8> {
        match self {
            Self::Unread | Self::LogFinished => Some(0),
            // As the command `timeout` does.
            Self::TimedOut(_) => Some(124),
            // As shells do.
            Self::Signalled(number) => Some(128 + number),
            Self::Complete(results) => match results.as_deref()? {
                "SUCCESS" | "WARNINGS" => Some(0),
                "FAILURE" => Some(RESULTS + 2),
                "SKIPPED" => Some(RESULTS + 3),
                "EXCEPTION" => Some(RESULTS + 4),
                "RETRY" => Some(RESULTS + 5),
                "CANCELLED" => Some(RESULTS + 6),
                _ => None,
            },
        }
    }
}
