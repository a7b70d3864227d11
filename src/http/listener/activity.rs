//! What happens on one connection: which requests are being answered, since when there is none, and
//! since when a client takes nothing of an answer.
//!
//! HTTP/2 needs it: many requests share a connection, hyper closes none that is idle, and a client
//! can refuse an answer by its window without ever blocking the connection's writes.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// The most of an answer that is handed to HTTP/2 at once, in bytes. It buffers what it was handed,
/// where nobody sees whether the client takes it.
const SLICE: usize = 16 * 1_024;

/// Why a connection should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// There was no request for too long.
    Idle,
    /// A client took nothing of an answer for too long.
    Stalled,
}

/// The requests of one connection.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Mutex<Requests>>);

struct Requests {
    /// Those that are being answered, each with the time since when its client takes nothing.
    open: HashMap<u64, Option<Instant>>,
    next: u64,
    idle_since: Instant,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Requests {
            open: HashMap::new(),
            next: 0,
            idle_since: Instant::now(),
        })))
    }

    /// Notes a request, until the guard is dropped.
    pub(crate) fn begin(&self) -> OpenRequest {
        let mut requests = self.0.lock();
        let id = requests.next;
        requests.next += 1;
        requests.open.insert(id, None);
        let activity = self.clone();
        OpenRequest { activity, id }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.0.lock().open.is_empty()
    }

    /// Waits until the connection has been idle, or an answer stalled, for so long.
    pub(crate) async fn expire(&self, idle: Duration, stalled: Duration) -> Expiry {
        loop {
            let now = Instant::now();
            let next = match self.next_expiry(idle, stalled) {
                Some((at, expiry)) if at <= now => return expiry,
                Some((at, _)) => at,
                None => now + stalled,
            };
            // By then another answer can have stalled, or the last one ended.
            sleep_until(next.min(now + idle.min(stalled))).await;
        }
    }

    fn next_expiry(&self, idle: Duration, stalled: Duration) -> Option<(Instant, Expiry)> {
        let requests = self.0.lock();
        if requests.open.is_empty() {
            return Some((requests.idle_since + idle, Expiry::Idle));
        }
        let first = requests.open.values().flatten().min()?;
        Some((*first + stalled, Expiry::Stalled))
    }
}

/// A request that is being answered.
pub(crate) struct OpenRequest {
    activity: Activity,
    id: u64,
}

impl OpenRequest {
    fn set_stalled(&self, since: Option<Instant>) {
        self.activity.0.lock().open.insert(self.id, since);
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut requests = self.activity.0.lock();
        requests.open.remove(&self.id);
        requests.idle_since = Instant::now();
    }
}

/// The body of an answer, which notes whether its client takes it.
pub(crate) struct WatchedBody {
    inner: Body,
    /// What is left of the last frame.
    rest: Bytes,
    request: OpenRequest,
    /// Whether the answer goes over HTTP/2; over HTTP/1.1, the deadline of writes covers it.
    is_http2: bool,
}

impl WatchedBody {
    pub(crate) fn new(inner: Body, request: OpenRequest, is_http2: bool) -> Self {
        if is_http2 {
            // Nobody asks for the first slice until the client's window is open.
            request.set_stalled(Some(Instant::now()));
        }
        Self {
            inner,
            rest: Bytes::new(),
            request,
            is_http2,
        }
    }

    /// The next slice, which counts as stalled until the next one is asked for.
    fn slice(&mut self) -> Frame<Bytes> {
        self.request.set_stalled(Some(Instant::now()));
        let length = self.rest.len().min(SLICE);
        Frame::data(self.rest.split_to(length))
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.is_http2 {
            return Pin::new(&mut self.inner).poll_frame(cx);
        }
        self.request.set_stalled(None);
        if self.rest.is_empty() {
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(Some(Ok(self.slice())))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let upper = hint.upper();
        hint.set_lower(hint.lower() + rest);
        if let Some(upper) = upper {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
