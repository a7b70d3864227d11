//! Which SQL a database takes.

use sea_orm::DbBackend;

/// What a query must know of the database that it is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SqlDialect {
    pub(crate) backend: DbBackend,
    /// `builds` has the column `locks_duration_s`; Buildbot's schema before 4.2 has none.
    pub(crate) has_lock_durations: bool,
    /// `graphql_events` has the columns of logs; in a Buildbot master's database an earlier version
    /// may have made it.
    pub(crate) has_log_events: bool,
}
