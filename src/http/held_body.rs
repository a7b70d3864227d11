//! The layer that counts answers in the server's memory until they are sent: a client that reads
//! slowly holds its answer for as long as it takes.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use hyper::body::{Frame, SizeHint};

use crate::memory::{MemoryBudget, MemoryShare};

/// Counts the bytes of the answer.
pub(crate) async fn hold_answer(
    State(memory): State<MemoryBudget>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    // The caller's, where the route knows it.
    let memory = response.extensions_mut().remove().unwrap_or(memory);
    response.map(|inner| {
        let bytes = inner.size_hint().exact().unwrap_or_default();
        let share = memory.hold(usize::try_from(bytes).unwrap_or(usize::MAX));
        Body::new(HeldBody {
            inner,
            memory,
            share,
        })
    })
}

/// A body whose bytes are counted until the last copy of them is gone.
struct HeldBody {
    inner: Body,
    memory: MemoryBudget,
    /// What has not been asked for; it is all there from the beginning, or made when asked for.
    share: MemoryShare,
}

/// A part of an answer on its way to the client.
struct HeldBytes {
    bytes: Bytes,
    _share: MemoryShare,
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let rest = self.inner.size_hint().exact().unwrap_or_default();
        self.share
            .resize(usize::try_from(rest).unwrap_or(usize::MAX));
        let held = |bytes: Bytes| {
            Bytes::from_owner(HeldBytes {
                _share: self.memory.hold(bytes.len()),
                bytes,
            })
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(held))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
