//! The accept loop: counts connections, encrypts them if TLS is configured, and serves them until
//! they end or the server stops.

use std::{
    convert::Infallible, io::ErrorKind, net::SocketAddr, pin::pin, sync::Arc, time::Duration,
};

use axum::{
    Router,
    body::HttpBody,
    extract::{ConnectInfo, Request},
    http::{HeaderValue, Version, header},
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    sync::Semaphore,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::{io::InspectReader, sync::CancellationToken, task::TaskTracker};
use tower_service::Service;

use crate::{
    app::App,
    domain::caller_key::CallerKey,
    http::{
        head_limit::MAX_HEAD,
        listener::{
            activity::{Activity, Expiry, WatchedBody},
            deadlines::{ConnectionPermits, DeadlineStream, UnreadBody},
            poll_turns::{CallerTurns, PollTurns},
            received_bytes::ReceivedBytes,
            socket::{ListeningSocket, Stream},
            tls::Tls,
        },
    },
    metrics::gauge_guard::GaugeGuard,
    rate_limit::permit::CallerPermits,
};

/// The most of an answer that is buffered for a client, and of a head that has not all arrived, in
/// bytes. `refuse_long_head` refuses a larger head that has.
const BUFFER: usize = MAX_HEAD;
/// How many requests a client may have on one connection of HTTP/2 at once.
const MAX_STREAMS: u32 = 100;
/// How much of a request's body a client may send over HTTP/2 before it is read, in bytes: of one
/// request, and of all of a connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How many requests a client may cancel before they are looked at; more is taken for an attack.
const MAX_RESETS: usize = 20;
/// How much of a refused request's body hyper has read anyway, in bytes.
const SHORT_BODY: u64 = 16 * 1024;
/// How long an idle connection may take to end once it was asked to.
const LINGER: Duration = Duration::from_secs(2);
/// How long idle connections stay open once the server stops, for requests that are on their way.
const LAST_REQUEST: Duration = Duration::from_secs(2);
/// How long connections are still accepted once the server stops.
const LAST_ACCEPT: Duration = Duration::from_millis(100);
/// The pause after `accept` has failed, such as with `EMFILE`, which lasts until files are closed.
const PAUSE: Duration = Duration::from_millis(100);

/// What all connections share.
pub(crate) struct Listener {
    app: App,
    router: Router,
    tls: Option<Tls>,
    http: auto::Builder<TokioExecutor>,
    permits: Arc<Semaphore>,
    address_permits: CallerPermits,
    turns: PollTurns,
    /// The open HTTP connections. Sockets are not among them: `App::tasks` tracks those.
    pub(crate) open: TaskTracker,
    /// Cuts the connections that do not end by themselves.
    pub(crate) cut: CancellationToken,
}

impl Listener {
    pub(crate) fn new(app: App, router: Router, tls: Option<Tls>) -> Self {
        let config = &app.config.connection;
        let http = http_of(Duration::from_secs(config.idle_timeout_seconds));
        let max = match config.max_connections {
            0 => Semaphore::MAX_PERMITS,
            // `Semaphore::new` panics above it.
            max => max.min(Semaphore::MAX_PERMITS),
        };
        Self {
            permits: Arc::new(Semaphore::new(max)),
            address_permits: CallerPermits::new(config.max_connections_per_address),
            turns: PollTurns::new(),
            open: TaskTracker::new(),
            cut: CancellationToken::new(),
            app,
            router,
            tls,
            http,
        }
    }

    /// Accepts connections until the server stops, and closes the socket then.
    pub(crate) async fn accept(self: &Arc<Self>, listener: ListeningSocket) {
        let stop = &self.app.stop;
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, peer)) => self.spawn(stream, peer),
                Err(error) if is_of_one_connection(error.kind()) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be taken; it is tried again");
                    sleep(PAUSE).await;
                }
            }
        }
        // The system has taken these already, and perhaps their first requests: closed with the
        // listener, they would be lost.
        let end = Instant::now() + LAST_ACCEPT;
        while let Ok(Ok((stream, peer))) = timeout_at(end, listener.accept()).await {
            self.spawn(stream, peer);
        }
    }

    fn spawn(self: &Arc<Self>, stream: Stream, peer: SocketAddr) {
        // Without permits the connection is dropped, which closes it.
        if let Some(permits) = self.take_permits(peer) {
            self.open.spawn(self.clone().serve(stream, peer, permits));
        }
    }

    /// Takes the permits of a connection, or returns `None` if there are too many.
    fn take_permits(&self, peer: SocketAddr) -> Option<ConnectionPermits> {
        let address = peer.ip().to_canonical();
        // A proxy's connections carry many clients, so they are not counted per address.
        let is_proxy = self.app.config.connection.trusts(address);
        let of_address =
            (!is_proxy).then(|| self.address_permits.acquire(CallerKey::of_address(address)));
        let overall = self.permits.clone().try_acquire_owned().ok();
        let metrics = &self.app.metrics;
        match (overall, of_address) {
            (None, _) | (_, Some(None)) => {
                metrics.connections_refused.inc();
                tracing::debug!(%address, "a connection too many is closed");
                None
            }
            (Some(overall), of_address) => Some(ConnectionPermits {
                _overall: overall,
                _of_address: of_address.flatten(),
                _gauge: GaugeGuard::new(&metrics.connections),
            }),
        }
    }

    async fn serve(self: Arc<Self>, stream: Stream, peer: SocketAddr, permits: ConnectionPermits) {
        let config = &self.app.config;
        let write_timeout = Duration::from_secs(config.http.write_timeout_seconds);
        // Below TLS, so that one deadline covers answers, event streams and sockets alike.
        let stream = DeadlineStream::new(stream, write_timeout, permits);
        let unread_body = stream.unread_body();
        let turns = self
            .turns
            .of(&CallerKey::of_address(peer.ip().to_canonical()));
        let Some(tls) = &self.tls else {
            return self.serve_http(stream, peer, unread_body, turns).await;
        };
        let handshake = turns.take(tls.accept(stream));
        let handshake = timeout(config.connection.read_timeout(), handshake);
        let handshake = select! {
            done = handshake => done,
            () = self.stopped() => return,
        };
        match handshake {
            Ok(Ok(stream)) => self.serve_http(stream, peer, unread_body, turns).await,
            Ok(Err(error)) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
            // The handshake took too long, which is no error to log.
            Err(_) => {}
        }
    }

    /// Serves requests until the connection ends or is upgraded to a WebSocket.
    async fn serve_http<S>(
        &self,
        stream: S,
        peer: SocketAddr,
        unread_body: UnreadBody,
        turns: CallerTurns,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::new();
        let received = ReceivedBytes::default();
        let service = service_fn(|mut request: Request<Incoming>| {
            let open = activity.begin();
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(received.clone());
            request.extensions_mut().insert(turns.clone());
            let is_http2 = request.version() == Version::HTTP_2;
            // Over HTTP/2, a body that is not read holds up no other.
            let has_body = !is_http2 && !request.body().is_end_stream();
            let has_long_body = has_body
                && (request.body().size_hint().upper()).is_none_or(|bytes| bytes > SHORT_BODY);
            // hyper may leave a request of HTTP/1.1 alone until an answer before it is taken, and
            // there is one of them on a connection.
            let turns = if is_http2 {
                turns.clone()
            } else {
                CallerTurns::default()
            };
            let response = turns.take(self.router.clone().call(request));
            let unread_body = unread_body.clone();
            let stop = self.app.stop.clone();
            async move {
                let mut response = response.await?;
                let is_refused = !response.status().is_success();
                if !is_http2 && (stop.is_cancelled() || is_refused && has_long_body) {
                    // The client must not send its next request as the connection closes. hyper
                    // does not read what is left of a body.
                    let close = HeaderValue::from_static("close");
                    response
                        .headers_mut()
                        .entry(header::CONNECTION)
                        .or_insert(close);
                }
                // A request may have been refused before its body was read.
                unread_body.set(has_body && is_refused);
                Ok::<_, Infallible>(response.map(|body| WatchedBody::new(body, open, is_http2)))
            }
        });
        let counter = received.clone();
        let stream = InspectReader::new(stream, move |bytes| counter.add(bytes.len()));
        let io = TokioIo::new(stream);
        let mut connection = pin!(self.http.serve_connection_with_upgrades(io, service));
        let ended = select! {
            ended = connection.as_mut() => ended,
            is_done = self.is_over(&activity) => if is_done { Ok(()) } else {
                // Lets requests in progress finish; an idle connection ends at once.
                connection.as_mut().graceful_shutdown();
                select! {
                    ended = connection.as_mut() => ended,
                    () = self.is_unanswered(&activity) => Ok(()),
                }
            },
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "a connection failed");
        }
    }
}

impl Listener {
    /// Waits until a connection should end. Returns whether it should do so at once, since its
    /// client takes nothing of an answer.
    async fn is_over(&self, activity: &Activity) -> bool {
        select! {
            () = self.stopped() => false,
            expiry = self.expiry(activity) => expiry == Expiry::Stalled,
        }
    }

    /// Waits until the server stops, and then until a client has had time for a request that it was
    /// about to send: on a connection that closes just then it would be lost.
    async fn stopped(&self) {
        self.app.stop.cancelled().await;
        sleep(LAST_REQUEST).await;
    }

    /// Waits until a connection that was asked to end has had its time.
    async fn is_unanswered(&self, activity: &Activity) {
        let expired = async {
            sleep(LINGER).await;
            // A request was on its way.
            if !activity.is_idle() {
                self.expiry(activity).await;
            }
        };
        select! {
            () = self.cut.cancelled() => {}
            () = expired => {}
        }
    }

    async fn expiry(&self, activity: &Activity) -> Expiry {
        let config = &self.app.config;
        let idle = Duration::from_secs(config.connection.idle_timeout_seconds);
        let stalled = Duration::from_secs(config.http.write_timeout_seconds);
        activity.expire(idle, stalled).await
    }
}

/// HTTP/1.1, and HTTP/2 for clients that begin with its preface.
fn http_of(idle_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        // hyper starts it after each answer, so it ends idle connections too.
        .header_read_timeout(idle_timeout)
        .max_buf_size(BUFFER);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(BUFFER).unwrap_or(u32::MAX))
        .max_send_buf_size(BUFFER)
        .max_pending_accept_reset_streams(MAX_RESETS);
    http
}

/// Returns whether an error of `accept` concerns one connection and not the listener.
fn is_of_one_connection(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
