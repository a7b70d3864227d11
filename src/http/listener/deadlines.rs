//! A connection's stream with deadlines: drops a client that stops reading, and lets a client that
//! is rejected in mid-upload still receive the error.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};

use crate::{
    http::listener::socket::Stream, metrics::gauge_guard::GaugeGuard,
    rate_limit::permit::CallerPermit,
};

/// How long a closing connection discards what the client still sends.
const LINGER: Duration = Duration::from_secs(2);

/// The permits of an open connection, held while it is HTTP and after it is upgraded.
pub(crate) struct ConnectionPermits {
    pub(crate) _overall: OwnedSemaphorePermit,
    pub(crate) _of_address: Option<CallerPermit>,
    pub(crate) _gauge: GaugeGuard,
}

/// A shared flag: the client may still be sending a body that nobody reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnreadBody(Arc<AtomicBool>);

impl UnreadBody {
    pub(crate) fn set(&self, is_unread: bool) {
        // Relaxed, because the connection's single task both sets and reads it.
        self.0.store(is_unread, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection that fails when its client reads nothing for too long.
pub(crate) struct DeadlineStream {
    stream: Stream,
    /// How long the client may read nothing.
    write_timeout: Duration,
    /// Runs while a write is pending. Boxed, because a `Sleep` must be pinned and the stream is
    /// `Unpin`.
    write_deadline: Option<Pin<Box<Sleep>>>,
    unread_body: UnreadBody,
    /// Starts once this side is shut down.
    linger_deadline: Option<Pin<Box<Sleep>>>,
    /// Stored in the stream because an upgraded connection keeps it.
    _permits: ConnectionPermits,
}

impl DeadlineStream {
    pub(crate) fn new(stream: Stream, write_timeout: Duration, permits: ConnectionPermits) -> Self {
        Self {
            stream,
            write_timeout,
            write_deadline: None,
            unread_body: UnreadBody::default(),
            linger_deadline: None,
            _permits: permits,
        }
    }

    /// Returns the flag to set when a request is answered before its body was read.
    pub(crate) fn unread_body(&self) -> UnreadBody {
        self.unread_body.clone()
    }

    /// Passes on the result of a write, or fails it with `TimedOut` if it was pending for too long.
    fn apply_deadline<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_deadline = None;
            return written;
        }
        let timeout = self.write_timeout;
        let deadline = self
            .write_deadline
            .get_or_insert_with(|| Box::pin(sleep(timeout)));
        deadline
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Discards what the client sends until it closes its side, or for at most `LINGER`.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut discarded = [0; 4_096];
        loop {
            let mut buffer = ReadBuf::new(&mut discarded);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        let deadline = self
            .linger_deadline
            .get_or_insert_with(|| Box::pin(sleep(LINGER)));
        deadline.as_mut().poll(cx).map(Ok)
    }
}

impl AsyncRead for DeadlineStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for DeadlineStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.apply_deadline(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.apply_deadline(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // No deadline: a socket buffers nothing, so its flush never waits.
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        if !self.unread_body.get() {
            return Poll::Ready(Ok(()));
        }
        // If it closed with unread bytes, TCP would send a reset, which discards the answer.
        self.poll_discard(cx)
    }
}
