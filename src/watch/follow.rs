//! Follows a server over as many connections as it takes: a connection that is lost is replaced,
//! and goes on where the last one ended.

use std::{io, pin::pin, time::Duration};

use tokio::{
    select,
    time::{Instant, sleep_until},
};

use crate::{
    config::watch::ServerAddress,
    watch::{
        board::{Board, BoardChange},
        ending::Ending,
        frame::LinkStatus,
        session::{Heard, WatchSession},
        setback::Setback,
        silence::{Silence, SilenceEnd},
        socket::WatchSocket,
        view::View,
    },
};

/// The first pause before a new connection, and the longest, in milliseconds.
const FIRST_PAUSE: u64 = 500;
const LONGEST_PAUSE: u64 = 20_000;
/// The pause where the database has no change feed, in milliseconds.
const DETACHED_PAUSE: u64 = 10_000;
/// A connection that was live for this long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(30);
/// A silence that is shown: the server was asked, and has not answered for five seconds.
const SHOWN_AFTER: Duration = Duration::from_secs(15);

/// The message of a protocol ping, which a server answers through any proxy.
const PING: &str = r#"{"type":"ping"}"#;

/// Why a connection ended.
enum LinkEnd {
    Over(Ending),
    Setback(Setback),
}

impl From<Ending> for LinkEnd {
    fn from(ending: Ending) -> Self {
        Self::Over(ending)
    }
}

impl From<Setback> for LinkEnd {
    fn from(setback: Setback) -> Self {
        Self::Setback(setback)
    }
}

/// Follows one server.
pub(crate) struct Follower {
    address: ServerAddress,
    session: WatchSession,
    board: Board,
    view: View,
    /// Whether it ends when the one build is complete.
    is_waiting: bool,
    /// Whether the server has ever been reached.
    was_reached: bool,
    /// How many connections in a row have failed.
    failures: u32,
    /// Since when this connection is live.
    live_since: Option<Instant>,
}

impl Follower {
    pub(crate) fn new(
        address: ServerAddress,
        session: WatchSession,
        view: View,
        is_waiting: bool,
        keeps_ended: bool,
    ) -> Self {
        Self {
            address,
            session,
            board: Board::new(keeps_ended),
            view,
            is_waiting,
            was_reached: false,
            failures: 0,
            live_since: None,
        }
    }

    /// Follows until there is nothing more to see.
    ///
    /// # Errors
    /// Why trying again is of no use.
    pub(crate) async fn run(mut self) -> Result<Ending, String> {
        let result = loop {
            let setback = match self.run_connection().await {
                LinkEnd::Over(ending) => break Ok(ending),
                LinkEnd::Setback(setback) => setback,
            };
            let live_since = self.live_since.take();
            if live_since.is_some_and(|since| since.elapsed() > GOOD_AFTER) {
                self.failures = 0;
            }
            let (why, pause) = match self.judge(setback) {
                Ok(judged) => judged,
                Err(why) => break Err(why),
            };
            self.view.set_status(LinkStatus::Away(why));
            let end = Instant::now() + pause;
            if let Err(ending) = self.draw_until(end).await {
                break Ok(ending);
            }
        };
        self.view.close();
        result
    }

    /// What is to be said of a setback, and how long to pause; an error if it is final.
    fn judge(&mut self, setback: Setback) -> Result<(String, Duration), String> {
        let pause = self.next_pause();
        let (why, pause) = match setback {
            Setback::Refused(why) => return Err(why),
            // A script may wait for a server that is not up yet.
            Setback::Unreachable(why) if !self.was_reached && !self.is_waiting => {
                return Err(why);
            }
            Setback::Unreachable(why) | Setback::Lost(why, None) => (why, pause),
            Setback::Lost(why, Some(seconds)) => (why, pause.max(Duration::from_secs(seconds))),
            Setback::Expired(why) => {
                self.session.begin_anew();
                (format!("{why}; taking a new snapshot"), pause)
            }
            Setback::Detached => {
                self.session.begin_anew();
                let why = "FEED_DETACHED: the server's database has no change feed: run \
                           `buildbot-graphql attach` on it";
                (why.to_owned(), Duration::from_millis(DETACHED_PAUSE))
            }
        };
        let (url, seconds) = (&self.address.given, pause.as_secs_f32());
        let text = format!("{url}: {why}; reconnecting in {seconds:.1} s");
        Ok((text, pause))
    }

    /// A pause that doubles with each failure; a random part of it, so that those who lost the same
    /// server do not come back at once.
    fn next_pause(&mut self) -> Duration {
        let whole = FIRST_PAUSE << self.failures.min(10);
        self.failures += 1;
        let whole = whole.min(LONGEST_PAUSE);
        Duration::from_millis(fastrand::u64(whole / 2..=whole))
    }

    /// Draws the terminal until a time.
    async fn draw_until(&mut self, end: Instant) -> Result<(), Ending> {
        loop {
            select! {
                () = sleep_until(end) => return Ok(()),
                () = self.view.due() => self.draw()?,
            }
        }
    }

    fn draw(&mut self) -> Result<(), Ending> {
        let drawn = self.view.draw(&self.board);
        self.expect_read(&drawn)
    }

    /// Ends where nobody reads any more, but for whoever waits for the exit status.
    fn expect_read(&mut self, written: &io::Result<()>) -> Result<(), Ending> {
        if written.is_err() {
            if !self.is_waiting {
                return Err(Ending::Unread);
            }
            self.view = View::Quiet;
        }
        Ok(())
    }

    /// Runs one connection to its end.
    async fn run_connection(&mut self) -> LinkEnd {
        self.view.set_status(LinkStatus::Connecting);
        let address = self.address.clone();
        let mut opening = pin!(WatchSocket::open(&address));
        let opened = loop {
            select! {
                opened = &mut opening => break opened,
                () = self.view.due() => if let Err(ending) = self.draw() {
                    return LinkEnd::Over(ending);
                }
            }
        };
        match opened {
            Ok(socket) => match self.converse(socket).await {
                Ok(ending) | Err(LinkEnd::Over(ending)) => LinkEnd::Over(ending),
                Err(setback) => setback,
            },
            Err(setback) => LinkEnd::Setback(setback),
        }
    }

    /// Talks over an open socket until the build that is waited for is complete.
    async fn converse(&mut self, mut socket: WatchSocket) -> Result<Ending, LinkEnd> {
        let first = self.session.connect(self.board.running_ids());
        socket.send(first).await?;
        let mut silence = Silence::new(Instant::now());
        loop {
            select! {
                text = socket.receive() => match text? {
                    Some(text) => {
                        let ending = self.hear(&text, &mut socket, &mut silence).await?;
                        if let Some(ending) = ending {
                            return Ok(ending);
                        }
                    }
                    None => silence.hear_pong(Instant::now()),
                },
                () = sleep_until(silence.deadline()) => match silence.check(Instant::now()) {
                    SilenceEnd::Wait => {}
                    SilenceEnd::Ask => socket.send(PING.to_owned()).await?,
                    SilenceEnd::Gone => {
                        let seconds = silence.length(Instant::now()).as_secs();
                        let why = format!("the server has not answered for {seconds} s");
                        return Err(Setback::lost(why).into());
                    }
                },
                () = self.view.due() => {
                    self.show_silence(&silence);
                    self.draw()?;
                }
            }
        }
    }

    /// Takes a message of the server.
    async fn hear(
        &mut self,
        text: &str,
        socket: &mut WatchSocket,
        silence: &mut Silence,
    ) -> Result<Option<Ending>, LinkEnd> {
        let mut out = Vec::new();
        let heard = self.session.receive(text, &mut out)?;
        self.was_reached = true;
        match heard {
            Heard::Nothing if out.is_empty() => silence.hear_pong(Instant::now()),
            _ => silence.hear(Instant::now()),
        }
        for text in out {
            socket.send(text).await?;
        }
        match heard {
            Heard::Nothing => {}
            Heard::Snapshot(rows) => {
                if rows.has_more {
                    self.view
                        .say("more builds run than are shown: others are once they change");
                }
                self.board.load(rows);
                self.view.set_status(LinkStatus::CatchingUp);
            }
            Heard::Event(event) => {
                if let Some(change) = self.board.apply(*event) {
                    self.show(&change)?;
                }
            }
            Heard::CaughtUp(at) => {
                silence.go_live();
                self.go_live(&at)?;
            }
        }
        let complete = self.board.ended().filter(|_| self.is_waiting);
        Ok(complete.map(|build| Ending::Complete(build.results.clone())))
    }

    fn go_live(&mut self, at: &str) -> Result<(), Ending> {
        for change in self.board.catch_up(at) {
            self.show(&change)?;
        }
        self.view.set_time(at);
        self.view.set_status(LinkStatus::Live);
        self.live_since = Some(Instant::now());
        if self.failures > 0 {
            self.view
                .say(&format!("{}: live again", self.address.given));
        }
        Ok(())
    }

    fn show(&mut self, change: &BoardChange) -> Result<(), Ending> {
        let shown = self.view.show(change);
        self.expect_read(&shown)
    }

    /// Shows that the server does not answer, and that it does again.
    fn show_silence(&mut self, silence: &Silence) {
        let length = silence.length(Instant::now());
        if self.live_since.is_some() {
            self.view.set_status(if length > SHOWN_AFTER {
                LinkStatus::Unanswered(length.as_secs())
            } else {
                LinkStatus::Live
            });
        }
    }
}
