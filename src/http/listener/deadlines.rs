//! A connection's bytes: who takes nothing of what is written loses it, and one that still sends when it is closed hears our last words.

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
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};

use crate::{metrics::gauge_guard::GaugeGuard, rate_limit::permit::AddressPermit};

/// How long what a client still sends is thrown away before its connection is cut.
const LINGER: Duration = Duration::from_secs(2);

/// Among how many a connection is counted, as long as it lasts, as a socket too.
pub(crate) struct ConnectionPermits {
    pub(crate) _of_all: OwnedSemaphorePermit,
    pub(crate) _of_address: Option<AddressPermit>,
    pub(crate) _shown: GaugeGuard,
}

/// Says that the client may still be sending what nobody reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unread(Arc<AtomicBool>);

impl Unread {
    pub(crate) fn set(&self, is_unread: bool) {
        self.0.store(is_unread, Ordering::Relaxed);
    }
}

/// A connection.
pub(crate) struct DeadlineStream {
    tcp: TcpStream,
    /// How long the client may take nothing.
    patience: Duration,
    /// Runs while it takes nothing.
    blocked: Option<Pin<Box<Sleep>>>,
    unread: Unread,
    /// Runs once we have closed our side.
    lingering: Option<Pin<Box<Sleep>>>,
    _counted: ConnectionPermits,
}

impl DeadlineStream {
    pub(crate) fn new(tcp: TcpStream, patience: Duration, counted: ConnectionPermits) -> Self {
        Self {
            tcp,
            patience,
            blocked: None,
            unread: Unread::default(),
            lingering: None,
            _counted: counted,
        }
    }

    /// To be set where an answer is given to what was not read.
    pub(crate) fn unread(&self) -> Unread {
        self.unread.clone()
    }

    /// What writing has come to, unless it has waited for too long.
    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.blocked = None;
            return written;
        }
        let patience = self.patience;
        let clock = self
            .blocked
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        clock
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for DeadlineStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for DeadlineStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, bytes);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    /// Closes our side. Cut at once, with bytes unread, the connection would take our answer with it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
        if !self.unread.0.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let mut thrown_away = [0; 4_096];
        loop {
            let mut buffer = ReadBuf::new(&mut thrown_away);
            match Pin::new(&mut self.tcp).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        let clock = self
            .lingering
            .get_or_insert_with(|| Box::pin(sleep(LINGER)));
        clock.as_mut().poll(cx).map(Ok)
    }
}
