//! Who has heard what: each event must come to every listener once, in order.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::sleep};

use crate::{
    Result,
    socket::{self, Socket},
    writer::{Clock, DIGITS, position},
};

/// How long nothing may be heard before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many sockets are opened at once.
const OPENING: usize = 64;

/// The listeners of one build, shared among the tasks that read their sockets.
#[derive(Clone)]
pub(crate) struct Audience(Arc<Mutex<Notes>>);

struct Notes {
    clock: Clock,
    /// Where all begin to listen.
    start: String,
    /// The positions in the order that whoever came first has heard them; the others must hear the same.
    heard: Vec<i64>,
    /// How many of them each listener has heard.
    counts: Vec<usize>,
    /// How many of them `verdict` has compared with what was written.
    compared: usize,
    /// From a write's sending to its receipt, in microseconds, one per delivery since the last `verdict`.
    latencies: Vec<u32>,
    faults: Vec<String>,
    /// What is read from a socket; one for all, since one is read at a time.
    buffer: Vec<u8>,
}

impl Audience {
    pub(crate) fn new(clock: Clock, start: String) -> Self {
        Self(Arc::new(Mutex::new(Notes {
            clock,
            start,
            heard: Vec::new(),
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

    /// Opens so many sockets, a few at a time.
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

    /// Makes each socket a listener of this build; says their numbers.
    pub(crate) async fn subscribe(
        &self,
        sockets: &mut [Socket],
        buildid: i64,
    ) -> Result<std::ops::Range<usize>> {
        let first = self.lock().counts.len();
        for socket in &mut *sockets {
            let id = self.lock().counts.len();
            self.lock().counts.push(0);
            socket.subscribe(buildid, &self.cursor(id)).await?;
        }
        Ok(first..first + sockets.len())
    }

    /// Opens so many sockets that hear this build, and listens to them while the set of tasks is held.
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

    /// How many events a listener has heard.
    pub(crate) fn count(&self, listener: usize) -> usize {
        self.lock().counts[listener]
    }

    /// The place up to which a listener has heard everything.
    pub(crate) fn cursor(&self, listener: usize) -> String {
        let notes = self.lock();
        match notes.last(listener) {
            None => notes.start.clone(),
            Some(position) => {
                let feed = &notes.start[..notes.start.len() - DIGITS];
                format!("{feed}{position:016x}")
            }
        }
    }

    /// Whether a listener has heard this position, or one behind it.
    pub(crate) fn has_reached(&self, listener: usize, position: i64) -> bool {
        self.lock().last(listener) >= Some(position)
    }

    /// Waits for a socket and hears what has come.
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

    /// Hears until something is wrong, and notes what.
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

    /// Waits until every listener has heard so many events since the last verdict, or nothing comes any more.
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
            if count >= all || failed || last.1.elapsed() > PATIENCE {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
        // What comes twice would come now.
        sleep(Duration::from_millis(200)).await;
    }

    /// The latencies of all deliveries since the last verdict, sorted, if these events were heard by all.
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
    /// The position of what a listener has heard last.
    fn last(&self, listener: usize) -> Option<i64> {
        Some(self.heard[self.counts[listener].checked_sub(1)?])
    }

    fn note(&mut self, listener: usize, message: &str, now: u64) -> Result<()> {
        let Some((position, sent)) = event(message) else {
            return Err(format!("not an event: {message}").into());
        };
        let newest = self.heard.last().copied().unwrap_or(0);
        match self.heard.get(self.counts[listener]) {
            Some(expected) if *expected == position => {}
            None if position > newest => self.heard.push(position),
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

/// An event's position and when its write was sent; found in the text, for JSON would cost more than all the rest.
fn event(message: &str) -> Option<(i64, u64)> {
    let (_, rest) = message.split_once(r#""stepEvents":{"cursor":""#)?;
    let (cursor, rest) = rest.split_once('"')?;
    let (_, rest) = rest.split_once(r#""stateString":"load "#)?;
    let (sent, _) = rest.split_once('"')?;
    Some((position(cursor)?, sent.parse().ok()?))
}
