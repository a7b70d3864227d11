//! The way in: connections are counted, encrypted where that is configured, and served until they end or the server stops.

use std::{
    convert::Infallible, io::ErrorKind, net::SocketAddr, pin::pin, sync::Arc, time::Duration,
};

use axum::{
    Router,
    body::HttpBody,
    extract::{ConnectInfo, Request},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    select,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_service::Service;

use crate::{
    app::App,
    http::listener::{
        deadlines::{ConnectionPermits, DeadlineStream, Unread},
        tls::Tls,
    },
    metrics::gauge_guard::GaugeGuard,
    rate_limit::permit::AddressPermits,
};

/// The largest head of a request, in bytes, and as much of an answer as waits for a client. A larger head is 431.
const BUFFER: usize = 64 * 1024;
/// How long nothing is accepted after the system has refused, such as for want of files.
const PAUSE: Duration = Duration::from_millis(100);

/// What every connection is served with.
pub(crate) struct Listener {
    app: App,
    router: Router,
    tls: Option<Tls>,
    http: http1::Builder,
    all: Arc<Semaphore>,
    by_address: AddressPermits,
    /// Those that are open; not sockets, which have left HTTP behind.
    pub(crate) open: TaskTracker,
    /// Ends those that do not end by themselves.
    pub(crate) cut: CancellationToken,
}

impl Listener {
    pub(crate) fn new(app: App, router: Router, tls: Option<Tls>) -> Self {
        let config = &app.config.connection;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            // It runs from the last answer on, so that it ends idle connections too.
            .header_read_timeout(Duration::from_secs(config.idle_timeout_seconds))
            .max_buf_size(BUFFER);
        let max = match config.max_connections {
            0 => Semaphore::MAX_PERMITS,
            max => max.min(Semaphore::MAX_PERMITS),
        };
        Self {
            all: Arc::new(Semaphore::new(max)),
            by_address: AddressPermits::new(config.max_connections_per_address),
            open: TaskTracker::new(),
            cut: CancellationToken::new(),
            app,
            router,
            tls,
            http,
        }
    }

    /// Takes connections until the server is to stop.
    pub(crate) async fn accept(self: &Arc<Self>, listener: TcpListener) {
        let stop = &self.app.stop;
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((tcp, peer)) => {
                    // What is not counted is closed.
                    if let Some(counted) = self.count(peer) {
                        let door = self.clone();
                        self.open.spawn(door.serve(tcp, peer, counted));
                    }
                }
                Err(error) if is_of_one(error.kind()) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be taken; it is tried again");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// A proxy brings many clients, so it is only counted among all.
    fn count(&self, peer: SocketAddr) -> Option<ConnectionPermits> {
        let address = peer.ip().to_canonical();
        let is_proxy = self.app.config.connection.trusts(address);
        let of_address = (!is_proxy).then(|| self.by_address.acquire(address));
        let of_all = self.all.clone().try_acquire_owned().ok();
        let metrics = &self.app.metrics;
        match (of_all, of_address) {
            (None, _) | (_, Some(None)) => {
                metrics.connections_refused.inc();
                tracing::debug!(%address, "a connection too many is closed");
                None
            }
            (Some(of_all), of_address) => Some(ConnectionPermits {
                _of_all: of_all,
                _of_address: of_address.flatten(),
                _shown: GaugeGuard::new(&metrics.connections),
            }),
        }
    }

    async fn serve(self: Arc<Self>, tcp: TcpStream, peer: SocketAddr, counted: ConnectionPermits) {
        // An event is one small frame: it must not wait for a second one.
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "a connection without TCP_NODELAY");
        }
        let patience = Duration::from_secs(self.app.config.http.write_timeout_seconds);
        let stream = DeadlineStream::new(tcp, patience, counted);
        let unread = stream.unread();
        let Some(tls) = &self.tls else {
            return self.talk(stream, peer, unread).await;
        };
        let handshake = timeout(
            self.app.config.connection.read_timeout(),
            tls.accept(stream),
        );
        match self.app.stop.run_until_cancelled(handshake).await {
            Some(Ok(Ok(stream))) => self.talk(stream, peer, unread).await,
            Some(Ok(Err(error))) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
            Some(Err(_)) | None => {}
        }
    }

    /// Answers requests until the connection ends or becomes a socket.
    async fn talk<S>(&self, stream: S, peer: SocketAddr, unread: Unread)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            let has_body = !request.body().is_end_stream();
            let answer = self.router.clone().call(request);
            let unread = unread.clone();
            async move {
                let response = answer.await?;
                unread.set(has_body && response.status().is_client_error());
                Ok::<_, Infallible>(response)
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection.with_upgrades());
        let ended = select! {
            ended = connection.as_mut() => ended,
            () = self.app.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                select! {
                    ended = connection.as_mut() => ended,
                    () = self.cut.cancelled() => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "a connection failed");
        }
    }
}

/// It is one connection that has failed, not the listener.
fn is_of_one(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
