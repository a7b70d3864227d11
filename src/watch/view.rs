//! Where changes are shown: as lines, in a terminal, or nowhere.

use std::{
    env,
    future::pending,
    io::{self, Write, stdout},
    mem::take,
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::{
    clock::Clock,
    domain::time,
    log::TARGET,
    watch::{
        board::{Board, BoardChange},
        frame::{FrameInput, LinkStatus, PaintedRow, frame, lasting_row},
        line::{escape, line},
        screen::Screen,
    },
};

/// The shortest time between two drawings, and the longest.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// The most rows that wait to be drawn.
const MOST_ROWS: usize = 1_000;

/// Where changes are shown.
pub(crate) enum View {
    /// Nowhere.
    Quiet,
    /// A line each on standard output.
    Lines,
    /// In a terminal.
    Terminal(Box<TerminalView>),
}

/// What is drawn in a terminal.
pub(crate) struct TerminalView {
    screen: Screen,
    url: String,
    status: LinkStatus,
    /// Whether steps stay when they are complete: those of the one build that is watched.
    keeps_steps: bool,
    lasting: Vec<PaintedRow>,
    /// How far the server's clock is ahead, in seconds.
    ahead: i64,
    drawn_at: Instant,
    has_news: bool,
}

impl View {
    /// The view that fits standard output.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn open(url: &str, is_quiet: bool, keeps_steps: bool) -> io::Result<Self> {
        if is_quiet {
            return Ok(Self::Quiet);
        }
        if !Screen::is_there(env::var("TERM").ok().as_deref()) {
            return Ok(Self::Lines);
        }
        let has_colours = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Ok(Self::Terminal(Box::new(TerminalView {
            screen: Screen::open(has_colours)?,
            url: url.to_owned(),
            status: LinkStatus::Connecting,
            keeps_steps,
            lasting: Vec::new(),
            ahead: 0,
            drawn_at: Instant::now(),
            has_news: true,
        })))
    }

    /// Whether times are shown that a build should take.
    pub(crate) fn wants_expected(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// Shows a change.
    ///
    /// # Errors
    /// Nobody reads standard output any more.
    pub(crate) fn show(&mut self, change: &BoardChange) -> io::Result<()> {
        match self {
            Self::Quiet => Ok(()),
            Self::Lines => {
                let mut out = stdout().lock();
                writeln!(out, "{}", line(change))?;
                out.flush()
            }
            Self::Terminal(view) => {
                view.has_news = true;
                if change.complete && (view.keeps_steps || change.step.is_none()) {
                    let (columns, _) = Screen::size();
                    view.lasting.push(lasting_row(change, columns));
                }
                if view.lasting.len() >= MOST_ROWS {
                    view.screen.draw(&take(&mut view.lasting), &[])?;
                }
                Ok(())
            }
        }
    }

    /// Says how the connection is. What interrupts it is logged where there is no terminal to say
    /// it in.
    pub(crate) fn set_status(&mut self, status: LinkStatus) {
        match self {
            Self::Terminal(view) if view.status != status => {
                view.status = status;
                view.has_news = true;
            }
            Self::Terminal(_) => {}
            Self::Lines | Self::Quiet => {
                if let LinkStatus::Away(why) = status {
                    tracing::warn!(target: TARGET, "{}", escape(&why));
                }
            }
        }
    }

    /// Says something of the connection.
    pub(crate) fn say(&mut self, text: &str) {
        match self {
            // Its list says how the connection is.
            Self::Terminal(_) => {}
            Self::Lines | Self::Quiet => tracing::info!(target: TARGET, "{}", escape(text)),
        }
    }

    /// Notes the time that the server has now.
    pub(crate) fn set_time(&mut self, at: &str) {
        if let (Self::Terminal(view), Some(at)) = (self, time::parse(at)) {
            view.ahead = at - Clock::System.now();
        }
    }

    /// Waits until the terminal is to be drawn anew.
    pub(crate) async fn due(&self) {
        match self {
            Self::Terminal(view) => {
                let wait = if view.has_news { SHORTEST } else { LONGEST };
                sleep_until(view.drawn_at + wait).await;
            }
            Self::Lines | Self::Quiet => pending().await,
        }
    }

    /// Draws the terminal.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn draw(&mut self, board: &Board) -> io::Result<()> {
        let Self::Terminal(view) = self else {
            return Ok(());
        };
        let (columns, rows) = Screen::size();
        let input = FrameInput {
            url: &view.url,
            status: &view.status,
            now: Clock::System.now() + view.ahead,
            columns,
            rows,
        };
        let list = frame(board, &input);
        view.drawn_at = Instant::now();
        view.has_news = false;
        view.screen.draw(&take(&mut view.lasting), &list)
    }

    /// Writes what has not been drawn yet, and leaves the terminal as it was.
    pub(crate) fn close(mut self) {
        if let Self::Terminal(view) = &mut self {
            // It may be gone.
            let _ = view.screen.draw(&take(&mut view.lasting), &[]);
        }
    }
}
