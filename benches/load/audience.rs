//! Checks delivery: each event must reach every listener once, in order.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    Result,
    socket::{self, Socket},
    writer::{Clock, DIGITS, MARK_DIGITS, position},
};

/// How long a silence may last before missing events count as lost.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many sockets are opened at the same time.
const OPENING: usize = 64;

/// The listeners of one build, shared by the tasks that read their sockets.
#[derive(Clone)]
pub(crate) struct Audience(Arc<Mutex<Notes>>);

struct Notes {
    clock: Clock,
    /// The cursor that all listeners start from.
    start: String,
    /// The positions, in the order in which the first listener to receive them did. All others must
    /// receive the same.
    heard: Vec<i64>,
    /// Their cursors, without the feed's name.
    cursors: Vec<Box<str>>,
    /// How many of these positions each listener has received.
    counts: Vec<usize>,
    /// How many of these positions `verdict` has compared with what was written.
    compared: usize,
    /// Microseconds from sending a write to receiving its event, one per delivery since the last
    /// `verdict`.
    latencies: Vec<u32>,
    faults: Vec<String>,
    /// The bytes read from a socket. One buffer serves all sockets, because they are read one at a
    /// time.
    buffer: Vec<u8>,
}

impl Audience {
    pub(crate) fn new(clock: Clock, start: String) -> Self {
        Self(Arc::new(Mutex::new(Notes {
            clock,
            start,
            heard: Vec::new(),
            cursors: Vec::new(),
            counts: Vec::new(),
            compared: 0,
            latencies: Vec::new(),
            faults: Vec::new(),
            buffer: vec![0; socket::BUFFER],
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens this many sockets, a few at a time.
    pub(crate) async fn open(address: SocketAddr, sockets: usize) -> Result<Vec<Socket>> {
        let mut opened = Vec::with_capacity(sockets);
        let mut opening = JoinSet::new();
        for _ in 0..sockets {
            if opening.len() >= OPENING
                && let Some(socket) = opening.join_next().await
            {
                opened.push(socket??);
            }
            opening.spawn(Socket::open(address));
        }
        while let Some(socket) = opening.join_next().await {
            opened.push(socket??);
        }
        Ok(opened)
    }

    /// Subscribes each socket to this build and returns the listeners' numbers.
    pub(crate) async fn subscribe(
        &self,
        sockets: &mut [Socket],
        buildid: i64,
    ) -> Result<std::ops::Range<usize>> {
        let first = self.lock().counts.len();
        for socket in &mut *sockets {
            let id = self.lock().counts.len();
            self.lock().counts.push(0);
            self.resume(id, socket, buildid).await?;
        }
        Ok(first..first + sockets.len())
    }

    /// Subscribes a listener's socket to this build, after what the listener has received.
    pub(crate) async fn resume(
        &self,
        listener: usize,
        socket: &mut Socket,
        buildid: i64,
    ) -> Result<()> {
        // `event` relies on the order of these fields.
        let query = "subscription($build: Int!, $after: EventCursor!) { stepEvents(where: {buildid: $build}, \
                     after: $after) { cursor kind step { stateString stepid number name results complete } } }";
        let variables = json!({ "build": buildid, "after": self.cursor(listener) });
        socket.subscribe(query, &variables).await
    }

    /// Opens this many sockets, subscribes them to this build and reads them until the set of tasks
    /// is dropped.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        listeners: usize,
        buildid: i64,
    ) -> Result<JoinSet<()>> {
        let mut sockets = Self::open(address, listeners).await?;
        let ids = self.subscribe(&mut sockets, buildid).await?;
        let listen = |(id, socket)| self.clone().listen(id, socket);
        Ok(ids.zip(sockets).map(listen).collect())
    }

    /// How many events a listener has received.
    pub(crate) fn count(&self, listener: usize) -> usize {
        self.lock().counts[listener]
    }

    /// The cursor up to which a listener has received everything.
    pub(crate) fn cursor(&self, listener: usize) -> String {
        let notes = self.lock();
        match notes.counts[listener].checked_sub(1) {
            None => notes.start.clone(),
            Some(last) => {
                let feed = &notes.start[..notes.start.len() - DIGITS - MARK_DIGITS];
                format!("{feed}{}", notes.cursors[last])
            }
        }
    }

    /// Whether a listener has received this position or a later one.
    pub(crate) fn has_reached(&self, listener: usize, position: i64) -> bool {
        self.lock().last(listener) >= Some(position)
    }

    /// Waits for a socket and records the events that it delivers.
    pub(crate) async fn hear(&self, listener: usize, socket: &mut Socket) -> Result<()> {
        poll_fn(|context| {
            let mut notes = self.lock();
            let now = notes.clock.micros();
            let mut buffer = std::mem::take(&mut notes.buffer);
            let note = |message: &str| notes.note(listener, message, now);
            let taken = socket.poll_take(context, &mut buffer, note);
            notes.buffer = buffer;
            taken
        })
        .await
    }

    /// Reads events until something is wrong, and records the problem.
    pub(crate) async fn listen(self, listener: usize, mut socket: Socket) {
        let error = loop {
            if let Err(error) = self.hear(listener, &mut socket).await {
                break error;
            }
        };
        self.lock()
            .faults
            .push(format!("listener {listener}: {error}"));
    }

    /// Waits until every listener has received this many events since the last verdict, or until
    /// none arrives for a while.
    pub(crate) async fn settle(&self, events: usize) {
        let mut last = (0, Instant::now());
        loop {
            let (count, all, failed) = {
                let notes = self.lock();
                let all = events * notes.counts.len();
                (notes.latencies.len(), all, !notes.faults.is_empty())
            };
            if count > last.0 {
                last = (count, Instant::now());
            }
            if count >= all || failed || last.1.elapsed() > TIMEOUT {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
        // An event delivered twice would arrive now.
        sleep(Duration::from_millis(200)).await;
    }

    /// The sorted latencies of all deliveries since the last verdict, if every listener received
    /// these events.
    pub(crate) fn verdict(&self, written: &[i64]) -> Result<Vec<u32>> {
        let mut notes = self.lock();
        if let Some(fault) = notes.faults.first() {
            return Err(format!("{} listeners were cut off; {fault}", notes.faults.len()).into());
        }
        let mut written = written.to_vec();
        written.sort_unstable();
        let heard = &notes.heard[notes.compared..];
        let len = written.len().max(heard.len());
        if let Some(i) = (0..len).find(|&i| written.get(i) != heard.get(i)) {
            return Err(match (written.get(i), heard.get(i)) {
                (Some(w), h) if h.is_none_or(|h| w < h) => {
                    format!("{w} was acknowledged and heard by nobody")
                }
                (_, h) => format!("{h:?} was heard and never acknowledged"),
            }
            .into());
        }
        let all = notes.heard.len();
        if let Some(id) = notes.counts.iter().position(|&count| count != all) {
            let lost = notes.heard[notes.counts[id]];
            return Err(format!("listener {id} has not heard {lost} and what came after").into());
        }
        notes.compared = all;
        let mut latencies = std::mem::take(&mut notes.latencies);
        latencies.sort_unstable();
        Ok(latencies)
    }
}

impl Notes {
    /// The position of the last event that a listener received.
    fn last(&self, listener: usize) -> Option<i64> {
        Some(self.heard[self.counts[listener].checked_sub(1)?])
    }

    fn note(&mut self, listener: usize, message: &str, now: u64) -> Result<()> {
        let Some((cursor, position, sent)) = event(message) else {
            return Err(format!("not an event: {message}").into());
        };
        let newest = self.heard.last().copied().unwrap_or(0);
        match self.heard.get(self.counts[listener]) {
            Some(expected) if *expected == position => {}
            None if position > newest => {
                self.heard.push(position);
                let digits = cursor.len() - DIGITS - MARK_DIGITS;
                self.cursors.push(cursor[digits..].into());
            }
            Some(expected) => {
                return Err(format!("heard {position}, when {expected} was next").into());
            }
            None => return Err(format!("heard {position} after {newest}").into()),
        }
        self.counts[listener] += 1;
        self.latencies
            .push(u32::try_from(now.saturating_sub(sent))?);
        Ok(())
    }
}

/// An event's cursor, its position and the time its write was sent. Searching the text is far
/// cheaper than parsing JSON, which would dominate the measurement.
fn event(message: &str) -> Option<(&str, i64, u64)> {
    let (_, rest) = message.split_once(r#""stepEvents":{"cursor":""#)?;
    let (cursor, rest) = rest.split_once('"')?;
    let (_, rest) = rest.split_once(r#""stateString":"load "#)?;
    let (sent, _) = rest.split_once('"')?;
    Some((cursor, position(cursor)?, sent.parse().ok()?))
}
