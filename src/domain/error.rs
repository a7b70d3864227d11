//! The one error type, free of any transport, and the code that clients match on.

use std::sync::Arc;

use migration::noun::NounSet;

use crate::domain::{
    id::LogId, invalid_argument::InvalidArgument, log_text::codec::ChunkFault,
    read_only::ReadOnlyReason,
};

/// How a caller learns what became of a write.
const REPEAT: &str =
    "repeat it with the Idempotency-Key that it had; without one, look before you repeat it";

/// What can go wrong. Texts are for the caller: lower case, no full stop, no SQL, no path, no
/// secret.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A row does not exist.
    #[error("there is no {kind} {id}")]
    NotFound {
        /// "build", "step", …
        kind: &'static str,
        /// Which one.
        id: String,
    },
    /// An argument breaks a rule.
    #[error("{argument}: {reason}")]
    Invalid {
        /// The argument's name.
        argument: String,
        /// The rule, and the value that broke it.
        reason: String,
    },
    /// The caller has no token, and anonymous callers may not do this.
    #[error("this server answers nobody without a token")]
    Unauthenticated,
    /// The caller's token is not valid; the text tells why, and nothing of the token.
    #[error("{0}")]
    BadToken(&'static str),
    /// The caller is known and may not do this.
    #[error("this needs the scope {scope:?}, and {has}")]
    Forbidden {
        /// The scope that is missing.
        scope: &'static str,
        /// Who has which instead, in words.
        has: &'static str,
    },
    /// More was asked for than the server gives.
    #[error("{limit} is {max}, and this asks for more: {advice}")]
    LimitExceeded {
        /// The setting's name.
        limit: &'static str,
        /// Its value.
        max: u64,
        /// How much was asked for, where that is known.
        asked: Option<u64>,
        /// What the caller can do.
        advice: &'static str,
    },
    /// An answer would be larger than it may be, whenever it is asked for.
    #[error("{limit} is {max}, and this asks for more: {advice}")]
    TooLarge {
        /// The setting's name.
        limit: &'static str,
        /// Its value.
        max: u64,
        /// What the caller can do.
        advice: &'static str,
    },
    /// The caller has as much at once as it may have.
    #[error("{limit} is {max}, and so many {what}: try again in {seconds} s")]
    TooManyAtOnce {
        /// The setting's name.
        limit: &'static str,
        /// Its value.
        max: u64,
        /// Of what, and what they do.
        what: &'static str,
        /// When there may be room, in whole seconds from now.
        seconds: u64,
    },
    /// The caller has spent its points.
    #[error(
        "rate-points is {max}, of which {left} are left, and this costs {cost}: try again in {seconds} s"
    )]
    RateLimited {
        /// What this would have cost, in points.
        cost: u64,
        /// What the caller has, in points.
        left: u64,
        /// The most that a caller can have, in points.
        max: u64,
        /// When there will be enough, in whole seconds from now.
        seconds: u64,
    },
    /// The cursor's position is no longer, or not yet, in the feed.
    #[error("after: {0}; subscribe with snapshot: true to start afresh")]
    CursorExpired(&'static str),
    /// The subscriber read too slowly.
    #[error(
        "the client reads too slowly; subscribe again with after: the cursor in the extensions"
    )]
    FeedLagged,
    /// The subscriber took too long to read its snapshot.
    #[error(
        "the client reads its snapshot too slowly, for which snapshot-seconds gives {0} s, and a quarter of them for a page: subscribe again with snapshot: true, for fewer steps"
    )]
    SnapshotLagged(u64),
    /// The database has no change feed.
    #[error(
        "this is a Buildbot database without a change feed: run `buildbot-graphql attach` to add one"
    )]
    FeedDetached,
    /// The change feed does not record the changes of these nouns.
    #[error(
        "changes of {0} are not recorded in this Buildbot database, as after an upgrade of Buildbot: run `buildbot-graphql attach` to record them again"
    )]
    NotRecorded(NounSet),
    /// There is a change feed, and the server may not use it.
    #[error(
        "the change feed is out of reach: the server's database user needs SELECT, UPDATE and DELETE on the tables named graphql_…"
    )]
    FeedDenied,
    /// The database takes no writes.
    #[error("{0}")]
    ReadOnly(ReadOnlyReason),
    /// Other writers were in the way, again and again; nothing was written.
    #[error("other writers were in the way and nothing was written; try again")]
    Conflict,
    /// The database does not answer in time.
    #[error("the database does not answer; try again")]
    Unavailable,
    /// Others had the database until it was too late.
    #[error("other callers keep the database busy; try again")]
    Busy,
    /// Everybody's requests together hold as much memory as they may; nothing was begun.
    #[error("the server has no memory for this now; try again")]
    OutOfMemory,
    /// The database has no room.
    #[error("the disk is full, so the database takes no writes and nothing was written; try again")]
    DiskFull,
    /// The SQLite file that was opened is no longer where it was.
    #[error("the database's file was deleted or replaced under the server")]
    FileGone,
    /// The identity provider has not named its keys yet, so that a JWT cannot be judged.
    #[error("the identity provider does not name its keys; try again")]
    KeysUnavailable,
    /// The answer to a commit was lost.
    #[error(
        "it is not known whether this is written: the database did not answer the commit; {REPEAT}"
    )]
    OutcomeUnknown,
    /// The change is written, but the database does not say what else was asked.
    #[error("this is written, but the database does not answer what was asked about it; {REPEAT}")]
    WrittenUnread,
    /// The idempotency key was used with another document or other variables.
    #[error(
        "Idempotency-Key: one key for one document with its variables, and this key was used with others \
         within the last 24 hours"
    )]
    KeyReused,
    /// A row of a log holds something that no Buildbot writes.
    #[error("lines {first_line} to {last_line} of log {logid} cannot be read: {fault}")]
    BrokenChunk {
        /// Whose.
        logid: LogId,
        /// The number of the first line.
        first_line: i32,
        /// The number of the last line.
        last_line: i32,
        /// What is wrong.
        fault: ChunkFault,
    },
    /// Something unexpected; the source is for the log, and not for the caller.
    #[error("internal error")]
    Internal(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

/// What a fallible function of this crate returns.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// The stable name of an error's kind, as clients match on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    /// NOT_FOUND
    NotFound,
    /// BAD_USER_INPUT
    BadUserInput,
    /// UNAUTHENTICATED
    Unauthenticated,
    /// FORBIDDEN
    Forbidden,
    /// LIMIT_EXCEEDED
    LimitExceeded,
    /// RATE_LIMITED
    RateLimited,
    /// CURSOR_EXPIRED
    CursorExpired,
    /// FEED_LAGGED
    FeedLagged,
    /// FEED_DETACHED
    FeedDetached,
    /// READ_ONLY
    ReadOnly,
    /// CONFLICT
    Conflict,
    /// UNAVAILABLE
    Unavailable,
    /// `OUTCOME_UNKNOWN`
    OutcomeUnknown,
    /// INTERNAL
    Internal,
}

impl ErrorCode {
    /// The name as it stands in `extensions.code`.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::RateLimited => "RATE_LIMITED",
            Self::CursorExpired => "CURSOR_EXPIRED",
            Self::FeedLagged => "FEED_LAGGED",
            Self::FeedDetached => "FEED_DETACHED",
            Self::ReadOnly => "READ_ONLY",
            Self::Conflict => "CONFLICT",
            Self::Unavailable => "UNAVAILABLE",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::Internal => "INTERNAL",
        }
    }
}

impl Error {
    /// The kind of this error.
    #[must_use]
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::NotFound,
            Self::Invalid { .. } => ErrorCode::BadUserInput,
            Self::Unauthenticated | Self::BadToken(_) => ErrorCode::Unauthenticated,
            Self::Forbidden { .. } => ErrorCode::Forbidden,
            Self::LimitExceeded { .. } | Self::TooLarge { .. } | Self::TooManyAtOnce { .. } => {
                ErrorCode::LimitExceeded
            }
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::CursorExpired(_) => ErrorCode::CursorExpired,
            Self::FeedLagged | Self::SnapshotLagged(_) => ErrorCode::FeedLagged,
            Self::FeedDetached | Self::NotRecorded(_) | Self::FeedDenied => ErrorCode::FeedDetached,
            Self::ReadOnly(_) => ErrorCode::ReadOnly,
            Self::Conflict | Self::KeyReused => ErrorCode::Conflict,
            Self::Unavailable
            | Self::Busy
            | Self::OutOfMemory
            | Self::KeysUnavailable
            | Self::DiskFull
            | Self::FileGone => ErrorCode::Unavailable,
            Self::OutcomeUnknown | Self::WrittenUnread => ErrorCode::OutcomeUnknown,
            Self::BrokenChunk { .. } | Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// In how many seconds the caller is to try again, where that is known.
    #[must_use]
    pub(crate) fn retry_seconds(&self) -> Option<u64> {
        match self {
            Self::RateLimited { seconds, .. } | Self::TooManyAtOnce { seconds, .. } => {
                Some(*seconds)
            }
            // Most requests are answered by then, which frees what they hold.
            Self::Busy | Self::OutOfMemory => Some(1),
            _ => None,
        }
    }

    /// An argument that breaks a rule.
    pub(crate) fn invalid(argument: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid {
            argument: argument.into(),
            reason: reason.into(),
        }
    }

    /// A row that is not there.
    pub(crate) fn not_found(kind: &'static str, id: impl std::fmt::Display) -> Self {
        Self::NotFound {
            kind,
            id: id.to_string(),
        }
    }

    /// Something unexpected, kept for the log.
    pub(crate) fn internal(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Arc::new(source))
    }
}

impl From<InvalidArgument> for Error {
    fn from(InvalidArgument { argument, reason }: InvalidArgument) -> Self {
        Self::invalid(argument, reason)
    }
}
