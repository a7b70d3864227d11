//! How far a reader of the change feed has come.

use crate::domain::id::Position;

/// A position, and what tells the event there from any other that may get the same position: in a
/// restored copy, or after a failover that lost commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bookmark {
    pub(crate) position: Position,
    /// A hash of the event; 0 at the position before all, and where the event cannot be read.
    pub(crate) mark: u32,
}
