//! A socket's life: one task that reads, runs the operations inside itself, writes, and looks at the clock.
//!
//! While a client takes nothing, nothing is read from it, and no operation goes on behind an answer that waits.
//! But what runs is polled up to its next answer: it may hold a connection of the database.

use std::{pin::pin, time::Duration};

use axum::extract::ws::{Message, WebSocket, close_code};
use futures_util::{
    StreamExt,
    stream::{FuturesUnordered, StreamFuture},
};
use tokio::{
    select,
    task::coop::consume_budget,
    time::{Instant, sleep_until},
};

use crate::{
    auth::{request_context::RequestContext, token_lease::TokenLease},
    graphql::{api::Api, execute::outcome::Update},
    http::websocket::{
        operation::{OperationOutput, RunningOperation},
        protocol::{CloseReason, Subprotocol},
        session::{Session, SessionRequest},
        transport::{Transport, TransportEvent},
    },
    metrics::gauge_guard::GaugeGuard,
};

/// So many messages gather before they are written together.
const BATCH: usize = 64;

/// Serves a socket until its end.
pub(crate) async fn run(
    api: Api,
    context: RequestContext,
    socket: WebSocket,
    protocol: Subprotocol,
) {
    let stop = api.app().stop.clone();
    let _open = GaugeGuard::new(&api.app().metrics.sockets);
    let mut life = Connection::new(api, context, socket, protocol);
    let end = stop.run_until_cancelled(life.run()).await;
    // What runs is dropped before the client is waited for.
    let Connection { link, .. } = life;
    match end {
        None => {
            let going = CloseReason::new(close_code::AWAY, "the server is going down");
            link.close(going).await;
        }
        Some(ConnectionEnd::Close(closing)) => link.close(closing).await,
        Some(ConnectionEnd::Refuse(closing)) => link.refuse(closing).await,
        Some(ConnectionEnd::Closed) => link.drain().await,
        Some(ConnectionEnd::Gone) => {}
    }
}

enum ConnectionEnd {
    /// We close the socket.
    Close(CloseReason),
    /// The same, where what came cannot be read.
    Refuse(CloseReason),
    /// The client has closed it.
    Closed,
    /// Nobody is there.
    Gone,
}

struct Connection {
    api: Api,
    session: Session,
    link: Transport,
    running: FuturesUnordered<StreamFuture<RunningOperation>>,
    /// What does not go on before its last answer is written.
    held: Vec<RunningOperation>,
    /// Ends when the caller's token is no longer good.
    lease: TokenLease,
    init_by: Instant,
    /// How long a client may be silent before it is pinged.
    silence: Duration,
    /// How long a client may take nothing.
    patience: Duration,
    /// When something was received last.
    heard: Instant,
    /// When the client was pinged, if nothing was received since.
    pinged: Option<Instant>,
    /// When the older subprotocol's client was last told that the server lives.
    told: Instant,
    /// Since when the client takes nothing.
    blocked: Option<Instant>,
}

impl Connection {
    fn new(api: Api, context: RequestContext, socket: WebSocket, protocol: Subprotocol) -> Self {
        let now = Instant::now();
        let signer = api.error_signer(&context);
        let app = api.app();
        let config = &app.config.http;
        Self {
            session: Session::new(protocol, context, signer, config.max_socket_operations),
            link: Transport::new(socket),
            running: FuturesUnordered::new(),
            held: Vec::new(),
            lease: TokenLease::always(),
            init_by: now + Duration::from_secs(config.socket_init_seconds),
            silence: Duration::from_secs(config.socket_ping_seconds),
            patience: Duration::from_secs(config.write_timeout_seconds),
            heard: now,
            pinged: None,
            told: now,
            blocked: None,
            api,
        }
    }

    async fn run(&mut self) -> ConnectionEnd {
        let mut clock = pin!(sleep_until(self.due()));
        loop {
            // A client that keeps us busy does not keep the others waiting.
            consume_budget().await;
            // Answers come before the link, which then writes what has gathered, and reads.
            let end = select! {
                biased;
                () = clock.as_mut() => self.on_time(),
                why = &mut self.lease => Some(ConnectionEnd::Close(CloseReason::forbidden(&why))),
                Some((said, running)) = self.running.next() => {
                    self.on_said(said, running);
                    None
                }
                event = self.link.next() => self.on_event(event).await,
            };
            if let Some(end) = end {
                return end;
            }
            let due = self.due();
            if due < clock.deadline() || clock.is_elapsed() {
                clock.as_mut().reset(due);
            }
        }
    }

    /// When the clock is to be looked at.
    fn due(&self) -> Instant {
        let mut due = match (self.blocked, self.pinged) {
            (Some(since), _) => since + self.patience,
            (None, Some(pinged)) => pinged + self.silence,
            (None, None) => self.heard + self.silence,
        };
        if self.session.is_kept_alive() {
            due = due.min(self.told + self.silence);
        }
        if !self.session.is_open() {
            due = due.min(self.init_by);
        }
        due
    }

    fn on_time(&mut self) -> Option<ConnectionEnd> {
        let now = Instant::now();
        if !self.session.is_open() && now >= self.init_by {
            return Some(ConnectionEnd::Close(CloseReason::init_timeout()));
        }
        if let Some(since) = self.blocked {
            if now >= since + self.patience {
                tracing::info!("a socket whose client took nothing is dropped");
                return Some(ConnectionEnd::Gone);
            }
        } else if let Some(pinged) = self.pinged {
            if now >= pinged + self.silence {
                tracing::info!("a socket whose client answered no ping is dropped");
                return Some(ConnectionEnd::Gone);
            }
        } else if now >= self.heard + self.silence {
            self.link.ping();
            self.pinged = Some(now);
        }
        if self.session.is_kept_alive() && now >= self.told + self.silence {
            // Behind messages that wait it would say nothing.
            if self.blocked.is_none() {
                self.session.keep_alive(&mut self.link.outbox);
            }
            self.told = now;
        }
        None
    }

    fn is_there(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = None;
    }

    fn on_said(&mut self, said: Option<OperationOutput>, running: RunningOperation) {
        let (label, out) = (&running.label, &mut self.link.outbox);
        match said {
            Some(OperationOutput::Update(Update::Next { payload, .. })) => {
                out.push_back(label.result(&payload));
                if out.len() < BATCH {
                    self.running.push(running.into_future());
                } else {
                    self.held.push(running);
                }
            }
            Some(OperationOutput::Update(Update::Failed(errors))) => {
                self.session.failed(label, &errors, out);
            }
            Some(OperationOutput::Refused(refusal)) => {
                self.session.failed(label, &refusal.errors, out);
            }
            Some(OperationOutput::Executed(response)) => {
                self.session.executed(label, &response, out);
            }
            None if running.is_ended() => {}
            None => self.session.ended(label, out),
        }
    }

    async fn on_event(&mut self, event: TransportEvent) -> Option<ConnectionEnd> {
        let now = Instant::now();
        if matches!(event, TransportEvent::Blocked) {
            self.blocked = Some(now);
            return None;
        }
        // All that had gathered is written.
        self.running
            .extend(self.held.drain(..).map(StreamExt::into_future));
        if self.blocked.take().is_some() {
            // Nothing was read meanwhile, so nothing can have been heard.
            self.is_there(now);
        }
        match event {
            TransportEvent::Blocked | TransportEvent::Written => None,
            TransportEvent::Received(message) => {
                self.is_there(now);
                self.on_message(message).await
            }
            TransportEvent::Refused(closing) => Some(ConnectionEnd::Refuse(closing)),
            TransportEvent::Gone => Some(ConnectionEnd::Gone),
        }
    }

    async fn on_message(&mut self, message: Message) -> Option<ConnectionEnd> {
        match message {
            Message::Text(text) => match self.session.receive(&text, &mut self.link.outbox) {
                Ok(Some(SessionRequest::Init(authorization))) => self.on_init(&authorization).await,
                Ok(Some(SessionRequest::Start(start))) => {
                    let running = RunningOperation::new(self.api.clone(), *start);
                    self.running.push(running.into_future());
                    None
                }
                Ok(None) => None,
                Err(closing) => Some(ConnectionEnd::Close(closing)),
            },
            Message::Binary(_) => Some(ConnectionEnd::Close(CloseReason::binary())),
            Message::Ping(_) | Message::Pong(_) => None,
            Message::Close(_) => Some(ConnectionEnd::Closed),
        }
    }

    /// Nothing runs on the socket yet, so nothing waits for this.
    async fn on_init(&mut self, authorization: &[Option<String>]) -> Option<ConnectionEnd> {
        let access = &self.api.app().access;
        let caller = if authorization.is_empty() {
            access.revalidate(self.session.caller()).await
        } else {
            access.authenticate_payload(authorization).await
        };
        self.lease = access.lease(&caller);
        let rates = &self.api.app().rate_limiter;
        let admit = |context: &RequestContext| rates.admit(context);
        let outcome = self.session.init(caller, admit, &mut self.link.outbox);
        outcome.err().map(ConnectionEnd::Close)
    }
}
