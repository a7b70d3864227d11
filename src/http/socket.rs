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

use super::{
    link::{Event, Link},
    protocol::{Closing, Protocol},
    running::{Running, Said},
    session::{Session, Wish},
};
use crate::{
    auth::{Call, Hold},
    graphql::{Api, live::Update},
    metrics::Counted,
};

/// So many messages gather before they are written together.
const BATCH: usize = 64;

/// Serves a socket until its end.
pub(super) async fn run(api: Api, call: Call, socket: WebSocket, protocol: Protocol) {
    let stop = api.app().stop.clone();
    let _open = Counted::new(&api.app().metrics.sockets);
    let mut life = Life::new(api, call, socket, protocol);
    let end = stop.run_until_cancelled(life.run()).await;
    // What runs is dropped before the client is waited for.
    let Life { link, .. } = life;
    match end {
        None => {
            let going = Closing::new(close_code::AWAY, "the server is going down");
            link.close(going).await;
        }
        Some(End::Close(closing)) => link.close(closing).await,
        Some(End::Refuse(closing)) => link.refuse(closing).await,
        Some(End::Closed) => link.drain().await,
        Some(End::Gone) => {}
    }
}

enum End {
    /// We close the socket.
    Close(Closing),
    /// The same, where what came cannot be read.
    Refuse(Closing),
    /// The client has closed it.
    Closed,
    /// Nobody is there.
    Gone,
}

struct Life {
    api: Api,
    session: Session,
    link: Link,
    running: FuturesUnordered<StreamFuture<Running>>,
    /// What does not go on before its last answer is written.
    held: Vec<Running>,
    /// Ends when the caller's token is no longer good.
    hold: Hold,
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

impl Life {
    fn new(api: Api, call: Call, socket: WebSocket, protocol: Protocol) -> Self {
        let now = Instant::now();
        let signature = api.signature(&call);
        let app = api.app();
        let config = &app.config.http;
        Self {
            session: Session::new(protocol, call, signature, config.max_socket_operations),
            link: Link::new(socket),
            running: FuturesUnordered::new(),
            held: Vec::new(),
            hold: Hold::always(),
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

    async fn run(&mut self) -> End {
        let mut clock = pin!(sleep_until(self.due()));
        loop {
            // A client that keeps us busy does not keep the others waiting.
            consume_budget().await;
            // Answers come before the link, which then writes what has gathered, and reads.
            let end = select! {
                biased;
                () = clock.as_mut() => self.on_time(),
                why = &mut self.hold => Some(End::Close(Closing::forbidden(&why))),
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

    fn on_time(&mut self) -> Option<End> {
        let now = Instant::now();
        if !self.session.is_open() && now >= self.init_by {
            return Some(End::Close(Closing::init_timeout()));
        }
        if let Some(since) = self.blocked {
            if now >= since + self.patience {
                tracing::info!("a socket whose client took nothing is dropped");
                return Some(End::Gone);
            }
        } else if let Some(pinged) = self.pinged {
            if now >= pinged + self.silence {
                tracing::info!("a socket whose client answered no ping is dropped");
                return Some(End::Gone);
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

    fn on_said(&mut self, said: Option<Said>, running: Running) {
        let (label, out) = (&running.label, &mut self.link.outbox);
        match said {
            Some(Said::Update(Update::Next { payload, .. })) => {
                out.push_back(label.result(&payload));
                if out.len() < BATCH {
                    self.running.push(running.into_future());
                } else {
                    self.held.push(running);
                }
            }
            Some(Said::Update(Update::Failed(errors))) => self.session.failed(label, &errors, out),
            Some(Said::Answer(answer)) => self.session.answered(label, &answer, out),
            None if running.is_ended() => {}
            None => self.session.ended(label, out),
        }
    }

    async fn on_event(&mut self, event: Event) -> Option<End> {
        let now = Instant::now();
        if matches!(event, Event::Blocked) {
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
            Event::Blocked | Event::Written => None,
            Event::Received(message) => {
                self.is_there(now);
                self.on_message(message).await
            }
            Event::Refused(closing) => Some(End::Refuse(closing)),
            Event::Gone => Some(End::Gone),
        }
    }

    async fn on_message(&mut self, message: Message) -> Option<End> {
        match message {
            Message::Text(text) => match self.session.receive(&text, &mut self.link.outbox) {
                Ok(Some(Wish::Init(authorization))) => self.on_init(&authorization).await,
                Ok(Some(Wish::Start(start))) => {
                    let running = Running::new(self.api.clone(), *start);
                    self.running.push(running.into_future());
                    None
                }
                Ok(None) => None,
                Err(closing) => Some(End::Close(closing)),
            },
            Message::Binary(_) => Some(End::Close(Closing::binary())),
            Message::Ping(_) | Message::Pong(_) => None,
            Message::Close(_) => Some(End::Closed),
        }
    }

    /// Nothing runs on the socket yet, so nothing waits for this.
    async fn on_init(&mut self, authorization: &[Option<String>]) -> Option<End> {
        let access = &self.api.app().access;
        let caller = if authorization.is_empty() {
            access.again(self.session.caller()).await
        } else {
            access.by_payload(authorization).await
        };
        self.hold = access.hold(&caller);
        let rates = &self.api.app().rates;
        let admit = |call: &Call| rates.admit(call);
        let outcome = self.session.init(caller, admit, &mut self.link.outbox);
        outcome.err().map(End::Close)
    }
}
