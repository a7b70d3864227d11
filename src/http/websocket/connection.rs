//! Runs a socket and its operations in one task, which reads, polls the operations, writes, and
//! watches the deadlines. Without channels between them, there is no second queue to bound.
//!
//! While the client reads nothing, the server reads nothing from it, and no operation runs past an
//! answer that waits. A running operation is still polled up to its next answer, because it may
//! hold a database connection.

use std::pin::pin;

use axum::extract::ws::Message;
use futures_util::{
    StreamExt,
    stream::{FuturesUnordered, StreamFuture},
};
use tokio::{
    select,
    task::coop::consume_budget,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    auth::{request_context::RequestContext, token_lease::TokenLease},
    graphql::{
        api::Api,
        execute::{
            errors::from_error,
            outcome::{Interruption, Refusal, RefusalCause, Update},
        },
    },
    http::{
        graphql::body::READ_FACTOR,
        listener::poll_turns::CallerTurns,
        websocket::{
            liveness::{Expired, Liveness},
            operation::{OperationOutput, RunningOperation},
            protocol::{CloseReason, Subprotocol},
            session::{Session, SessionRequest, StartRequest},
            transport::{Transport, TransportEvent},
        },
    },
    metrics::gauge_guard::GaugeGuard,
};

/// How many messages, and bytes, may wait before operations pause until they are written.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 128 * 1_024;

/// Serves a socket until it closes.
pub(crate) async fn run(
    api: Api,
    context: RequestContext,
    transport: Transport,
    protocol: Subprotocol,
    turns: CallerTurns,
) {
    let _open = GaugeGuard::new(&api.app().metrics.sockets);
    let mut connection = SocketConnection::new(api, context, transport, protocol, turns);
    let end = connection.run().await;
    // Drops the operations, so that they hold nothing while the client's close is awaited.
    let SocketConnection { transport, .. } = connection;
    match end {
        ConnectionEnd::Close(reason) => transport.close(reason).await,
        ConnectionEnd::Refuse(reason) => transport.refuse(reason).await,
        ConnectionEnd::Closed => transport.drain().await,
        ConnectionEnd::Gone => {}
    }
}

enum ConnectionEnd {
    /// The server closes the socket.
    Close(CloseReason),
    /// The server closes the socket, because it received something that it cannot read.
    Refuse(CloseReason),
    /// The client has closed the socket.
    Closed,
    /// The connection is lost, or the client no longer responds.
    Gone,
}

struct SocketConnection {
    api: Api,
    session: Session,
    transport: Transport,
    /// Those in which operations begin.
    turns: CallerTurns,
    /// Futures of one output each: an operation runs on only once it is pushed back.
    running: FuturesUnordered<StreamFuture<RunningOperation>>,
    /// Operations that pause until their last answer is written.
    held: Vec<RunningOperation>,
    /// Completes when the caller's token becomes invalid.
    lease: TokenLease,
    liveness: Liveness,
    /// Cancelled once no subscription may begin: the server stops, or the socket is to close.
    stopping: CancellationToken,
    /// Why the socket is closed once it has stopped.
    closing: Option<CloseReason>,
}

impl SocketConnection {
    fn new(
        api: Api,
        context: RequestContext,
        transport: Transport,
        protocol: Subprotocol,
        turns: CallerTurns,
    ) -> Self {
        let signer = api.error_signer(&context);
        let config = &api.app().config;
        let (http, max_values) = (&config.http, config.limit.max_json_values);
        let max_operations = http.max_socket_operations;
        Self {
            session: Session::new(protocol, context, signer, max_operations, max_values),
            transport,
            turns,
            running: FuturesUnordered::new(),
            held: Vec::new(),
            // Replaced when `connection_init` settles who the caller is.
            lease: TokenLease::always(),
            liveness: Liveness::new(http, config.connection.read_timeout(), Instant::now()),
            stopping: api.app().stop.child_token(),
            closing: None,
            api,
        }
    }

    async fn run(&mut self) -> ConnectionEnd {
        let mut clock = pin!(sleep_until(self.next_deadline()));
        let stop = self.api.app().stop.clone();
        let mut stopped = pin!(stop.cancelled());
        loop {
            // Yields now and then, so that a busy client does not starve the others.
            consume_budget().await;
            // Outputs come before the transport, so that it writes several at once.
            let end = select! {
                biased;
                () = clock.as_mut() => self.on_deadline(),
                () = stopped.as_mut(), if !self.session.is_stopping() => {
                    self.stop(CloseReason::going_away());
                    None
                }
                why = &mut self.lease => Some(ConnectionEnd::Close(CloseReason::forbidden(&why))),
                // Without operations, `next` is `None`, which disables this branch.
                Some((output, operation)) = self.running.next() => {
                    self.on_output(output, operation);
                    None
                }
                event = self.transport.next() => self.on_event(event).await,
            };
            if let Some(end) = end {
                return end;
            }
            if self.running.is_empty()
                && self.held.is_empty()
                && let Some(reason) = self.closing.take()
            {
                return ConnectionEnd::Close(reason);
            }
            // Each message moves the deadline back, and there are many: the timer is not reset for
            // that, only once it fires.
            let deadline = self.next_deadline();
            if deadline < clock.deadline() || clock.is_elapsed() {
                clock.as_mut().reset(deadline);
            }
        }
    }

    /// Begins to stop: subscriptions end, and what queries and mutations answer is still sent.
    fn stop(&mut self, reason: CloseReason) {
        self.session.stop();
        self.stopping.cancel();
        self.closing = Some(reason);
        self.held.retain(|operation| !operation.is_streaming());
        self.running = std::mem::take(&mut self.running)
            .into_iter()
            .filter(|next| next.get_ref().is_some_and(|o| !o.is_streaming()))
            .collect();
    }

    /// Closes the socket for a subscription that its client is to resume, unless it closes already.
    fn interrupt(&mut self, why: &Interruption) {
        if self.closing.is_none() {
            self.stop(CloseReason::interrupted(why));
        }
    }

    fn next_deadline(&self) -> Instant {
        let (is_open, is_kept_alive) = (self.session.is_open(), self.session.is_kept_alive());
        self.liveness.next_deadline(is_open, is_kept_alive)
    }

    fn on_deadline(&mut self) -> Option<ConnectionEnd> {
        let (is_open, is_kept_alive) = (self.session.is_open(), self.session.is_kept_alive());
        let due = self.liveness.check(Instant::now(), is_open, is_kept_alive);
        match due {
            Ok(due) => {
                if due.ping {
                    self.transport.ping();
                }
                if due.keep_alive {
                    self.session.keep_alive(&mut self.transport.outbox);
                }
                None
            }
            Err(Expired::Init) => Some(ConnectionEnd::Close(CloseReason::init_timeout())),
            Err(Expired::Message) => {
                let seconds = self.api.app().config.connection.read_timeout_seconds;
                Some(ConnectionEnd::Refuse(CloseReason::message_timeout(seconds)))
            }
            Err(Expired::Write) => {
                tracing::info!("a socket whose client took nothing is dropped");
                Some(ConnectionEnd::Gone)
            }
            Err(Expired::Ping) => {
                tracing::info!("a socket whose client answered no ping is dropped");
                Some(ConnectionEnd::Gone)
            }
        }
    }

    fn on_output(&mut self, output: Option<OperationOutput>, operation: RunningOperation) {
        let (label, out) = (&operation.label, &mut self.transport.outbox);
        match output {
            Some(OperationOutput::Update(Update::Next { payload, .. })) => {
                out.push_back(label.result(&payload));
                let bytes: usize = out.iter().map(String::len).sum();
                if out.len() < BATCH && bytes < BATCH_BYTES {
                    self.running.push(operation.into_future());
                } else {
                    self.held.push(operation);
                }
            }
            Some(OperationOutput::Update(Update::Failed(errors))) => {
                self.session.failed(label, &errors, out);
            }
            Some(
                OperationOutput::Update(Update::Interrupted(_, why))
                | OperationOutput::Refused(Refusal {
                    cause: RefusalCause::Interrupted(why),
                    ..
                }),
            ) => self.interrupt(&why),
            Some(OperationOutput::Refused(refusal)) => {
                self.session.failed(label, &refusal.errors, out);
            }
            Some(OperationOutput::Executed(answer)) => {
                self.session.executed(label, &answer.into_text(), out);
            }
            // The client has ended it, and may have reused its id.
            None if operation.is_ended() => {}
            // A completed subscription would not be started again. The server's own token is asked
            // too: those made of it, which end subscriptions, are cancelled a moment before it.
            None if self.session.is_stopping() || self.api.app().stop.is_cancelled() => {}
            None => self.session.ended(label, out),
        }
    }

    async fn on_event(&mut self, event: TransportEvent) -> Option<ConnectionEnd> {
        let now = Instant::now();
        if matches!(event, TransportEvent::Blocked) {
            self.liveness.on_blocked(now);
            return None;
        }
        // Every other event means that all waiting messages are written, or that the socket ends.
        let held = self.held.drain(..);
        self.running.extend(held.map(StreamExt::into_future));
        self.liveness.on_written(now);
        self.liveness.on_message(self.transport.has_begun(), now);
        match event {
            TransportEvent::Blocked | TransportEvent::Written | TransportEvent::Begun => None,
            TransportEvent::Received(message) => {
                self.liveness.on_received(now);
                self.on_message(message).await
            }
            TransportEvent::Refused(reason) => Some(ConnectionEnd::Refuse(reason)),
            TransportEvent::Gone => Some(ConnectionEnd::Gone),
        }
    }

    async fn on_message(&mut self, message: Message) -> Option<ConnectionEnd> {
        match message {
            Message::Text(text) => match self.session.receive(&text, &mut self.transport.outbox) {
                Ok(Some(SessionRequest::Init(authorization))) => self.on_init(&authorization).await,
                Ok(Some(SessionRequest::Start(start))) => {
                    self.start(*start, text.len());
                    None
                }
                Ok(None) => self.charge(text.len()),
                Err(reason) => Some(ConnectionEnd::Close(reason)),
            },
            Message::Binary(_) => Some(ConnectionEnd::Close(CloseReason::binary())),
            // The library answers pings itself.
            Message::Ping(_) | Message::Pong(_) => None,
            Message::Close(_) => Some(ConnectionEnd::Closed),
        }
    }

    /// Starts the operation of a message of so many bytes, if its caller has points and memory for
    /// it.
    fn start(&mut self, start: StartRequest, bytes: usize) {
        let limiter = &self.api.app().rate_limiter;
        let paid = limiter.spend_bytes(&start.context, bytes);
        let memory = limiter.memory(&start.context);
        match paid.and_then(|()| memory.reserve(bytes * READ_FACTOR)) {
            Ok(memory) => {
                let (api, stopping) = (self.api.clone(), self.stopping.clone());
                let operation = RunningOperation::new(api, start, memory, stopping, &self.turns);
                self.running.push(operation.into_future());
            }
            Err(error) => {
                let error = self
                    .api
                    .error_signer(&start.context)
                    .signed(from_error(&error));
                let out = &mut self.transport.outbox;
                self.session.failed(&start.label, &[error], out);
            }
        }
    }

    /// Charges for a message of so many bytes that starts nothing. It closes the socket of a caller
    /// without the points.
    fn charge(&self, bytes: usize) -> Option<ConnectionEnd> {
        let limiter = &self.api.app().rate_limiter;
        let paid = limiter.spend_bytes(self.session.context(), bytes);
        let refusal = paid.err()?;
        Some(ConnectionEnd::Close(CloseReason::try_again(&refusal)))
    }

    async fn on_init(&mut self, authorization: &[Option<String>]) -> Option<ConnectionEnd> {
        let access = &self.api.app().access;
        let rate_limiter = &self.api.app().rate_limiter;
        // May wait for the database: no operation runs yet that this would stall.
        let caller = if authorization.is_empty() {
            access.revalidate(self.session.caller()).await
        } else {
            let can_pay = rate_limiter.can_pay_rejection(self.session.address());
            access.authenticate_payload(authorization, can_pay).await
        };
        self.lease = access.lease(&caller);
        let admit = |context: &RequestContext| rate_limiter.admit(context);
        let outcome = self.session.init(caller, admit, &mut self.transport.outbox);
        self.transport.open();
        outcome.err().map(ConnectionEnd::Close)
    }
}
