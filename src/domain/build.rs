//! What a build can be filtered and ordered by.

/// The fields of a build that can be filtered or ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BuildField {
    Buildid,
    Builderid,
    Number,
    Buildrequestid,
    Workerid,
    Masterid,
    StateString,
    StartedAt,
    Complete,
    CompleteAt,
    LocksDurationS,
    Results,
}
