//! Lets a connection know that nobody waits for its statement any more.

use std::sync::{Arc, atomic::AtomicBool};

tokio::task_local! {
    /// Set once nobody waits for the task's statement any more. Local to the task, since a pool
    /// hands nothing else to what it does with a connection.
    static IS_ABANDONED: Arc<AtomicBool>;
}

/// Runs a statement, which SQLite ends early if this becomes true. Database servers go on until
/// their timeout.
pub(crate) async fn unless_abandoned<T>(
    is_abandoned: Arc<AtomicBool>,
    statement: impl Future<Output = T>,
) -> T {
    IS_ABANDONED.scope(is_abandoned, statement).await
}

/// Whether the task's statement is abandoned, now and later.
pub(crate) fn is_abandoned() -> Arc<AtomicBool> {
    IS_ABANDONED.try_with(Clone::clone).unwrap_or_default()
}
