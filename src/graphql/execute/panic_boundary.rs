//! A panic while an operation runs ends that operation, and nothing else.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures_util::{FutureExt, Stream, StreamExt};

use crate::domain::error::{Error, Result};

/// A panic, with its text for the log. The text may hold anything, so it never reaches a client.
#[derive(Debug, thiserror::Error)]
#[error("a panic: {0}")]
pub(crate) struct Panic(String);

impl Panic {
    /// Reads the text. The standard macros make one of these two types.
    pub(crate) fn new(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self(text.unwrap_or("without a text").to_owned())
    }
}

/// Waits for `work`; a panic in it is `Internal`.
///
/// Shared state stays consistent, which makes `AssertUnwindSafe` true: no lock is held across code
/// that may panic, and a dropped transaction is rolled back.
pub(crate) async fn catch<T>(work: impl Future<Output = T>) -> Result<T> {
    let caught = AssertUnwindSafe(work).catch_unwind().await;
    caught.map_err(|payload| Error::internal(Panic::new(&*payload)))
}

/// Does `work` without waiting; a panic in it is `Internal`.
pub(crate) fn catch_now<T>(work: impl FnOnce() -> T) -> Result<T> {
    let caught = catch_unwind(AssertUnwindSafe(work));
    caught.map_err(|payload| Error::internal(Panic::new(&*payload)))
}

/// The items of a stream; a panic in it is `Internal`, and the last item.
pub(crate) fn catch_stream<S: Stream>(stream: S) -> impl Stream<Item = Result<S::Item>> {
    let caught = AssertUnwindSafe(stream).catch_unwind();
    caught.map(|item| item.map_err(|payload| Error::internal(Panic::new(&*payload))))
}
