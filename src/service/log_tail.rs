//! Follows logs that are being written. One task for each log hears of what is appended, reads it
//! once, and hands it to all who follow; who is behind reads for itself.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use migration::noun::{Noun, NounSet};
use parking_lot::Mutex;
use tokio::{sync::broadcast, time::sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    app::App,
    domain::{
        error::{Error, Result},
        id::LogId,
        log_text::lines::NumberedLine,
    },
    feed::{event_filter::EventFilter, live_events::LiveEvents},
    memory::MemoryShare,
    service::log_lines::{LineRange, read_lines},
    store::{
        event::EventObject,
        log::{self, Model},
    },
};

/// How many batches are kept for followers that are busy; who misses one reads it itself.
const KEPT_BATCHES: usize = 16;
/// How many lines a batch has at most, and about how many bytes.
const MAX_BATCH_LINES: i32 = 1_000;
const MAX_BATCH_BYTES: usize = 128 * 1_024;
/// The time for each follower between two batches, so that many short appends are sent as one.
const INTERVAL_PER_FOLLOWER: Duration = Duration::from_micros(100);
/// A longer interval is cut to this.
const MAX_INTERVAL: Duration = Duration::from_millis(50);

/// Lines that were appended to a log, as they are sent to those who follow.
#[derive(Debug)]
pub(crate) struct AppendedLines {
    /// The number of the first line.
    pub(crate) from: i32,
    /// The number of the line after the last.
    pub(crate) next: i32,
    pub(crate) lines: Vec<NumberedLine>,
    /// No line will follow.
    pub(crate) complete: bool,
    /// Counted once for all followers.
    _memory: MemoryShare,
}

/// What a follower hears.
#[derive(Clone, Debug)]
pub(crate) enum TailNews {
    Appended(Arc<AppendedLines>),
    /// The log can be followed no longer.
    Failed(Error),
}

/// The logs that are followed. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogTails(Arc<Mutex<HashMap<LogId, Weak<FollowedLog>>>>);

/// A log that is followed, for as long as somebody does.
#[derive(Debug)]
struct FollowedLog {
    news: broadcast::Sender<TailNews>,
    has_ended: Arc<AtomicBool>,
    _end_task: DropGuard,
    logid: LogId,
    all: LogTails,
}

impl Drop for FollowedLog {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        // Another may be followed under this id by now.
        if all
            .get(&self.logid)
            .is_some_and(|known| known.strong_count() == 0)
        {
            all.remove(&self.logid);
        }
    }
}

/// One who follows a log.
#[derive(Debug)]
pub(crate) struct TailReceiver {
    _log: Arc<FollowedLog>,
    news: broadcast::Receiver<TailNews>,
}

impl TailReceiver {
    /// What comes next. `None` where this follower has missed something.
    pub(crate) async fn next(&mut self) -> Option<TailNews> {
        match self.news.recv().await {
            Ok(news) => Some(news),
            Err(broadcast::error::RecvError::Lagged(_)) => None,
            // The task sends why it ends, unless the server does.
            Err(broadcast::error::RecvError::Closed) => Some(TailNews::Failed(Error::Unavailable)),
        }
    }
}

impl LogTails {
    /// Follows a log from now on: what is committed after this returns is heard of.
    ///
    /// # Errors
    /// Those of the feed.
    pub(crate) async fn follow(&self, app: &App, logid: LogId) -> Result<TailReceiver> {
        if let Some(follower) = self.join(logid) {
            return Ok(follower);
        }
        let nouns = NounSet::from_codes(Noun::Log.code());
        app.feed.expect_recorded(nouns).await?;
        let newest = app.feed.newest().await?;
        let filter = EventFilter {
            nouns,
            logid: Some(logid),
            ..EventFilter::default()
        };
        let events = app.feed.subscribe(filter, newest);
        // Read before the follower reads for itself: the task sends whatever it does not see then.
        let log = log::by_ids(&app.db, &[logid]).await?;
        let log = log
            .get(&logid)
            .ok_or_else(|| Error::not_found("log", logid))?;
        // Another may have begun to follow it meanwhile.
        Ok(self
            .join(logid)
            .unwrap_or_else(|| self.begin(app, log, events)))
    }

    /// Follows with those who do already.
    fn join(&self, logid: LogId) -> Option<TailReceiver> {
        let log = self.0.lock().get(&logid)?.upgrade()?;
        // Subscribed first: what the task sends before it ends is received.
        let news = log.news.subscribe();
        (!log.has_ended.load(Ordering::Acquire)).then_some(TailReceiver { _log: log, news })
    }

    fn begin(&self, app: &App, log: &Model, events: LiveEvents) -> TailReceiver {
        let (logid, next) = (log.id, log.num_lines);
        let (news, receiver) = broadcast::channel(KEPT_BATCHES);
        let gone = app.stop.child_token();
        let has_ended = Arc::<AtomicBool>::default();
        let log = Arc::new(FollowedLog {
            news: news.clone(),
            has_ended: has_ended.clone(),
            _end_task: gone.clone().drop_guard(),
            logid,
            all: self.clone(),
        });
        self.0.lock().insert(logid, Arc::downgrade(&log));
        let task = TailTask {
            app: app.clone(),
            next,
            news,
            has_ended,
        };
        app.tasks.spawn(task.run_until(gone, events));
        TailReceiver {
            _log: log,
            news: receiver,
        }
    }
}

/// The task that reads what is appended to one log.
struct TailTask {
    app: App,
    /// The number of the first line that it sends.
    next: i32,
    news: broadcast::Sender<TailNews>,
    has_ended: Arc<AtomicBool>,
}

impl TailTask {
    /// Runs until nobody follows, the log is finished, or it can be followed no longer.
    async fn run_until(self, gone: CancellationToken, events: LiveEvents) {
        if let Some(Err(error)) = gone.run_until_cancelled(self.run(events)).await {
            self.has_ended.store(true, Ordering::Release);
            // Fails where nobody follows any more.
            let _ = self.news.send(TailNews::Failed(error));
        }
    }

    async fn run(&self, mut events: LiveEvents) -> Result<()> {
        let mut next = self.next;
        loop {
            let mut event = events.next().await?;
            // Those that wait are about older states of the same log.
            while let Some(newer) = events.next().now_or_never() {
                event = newer?;
            }
            let EventObject::Log { log, .. } = event.object else {
                continue;
            };
            next = self.send_new_lines(&log, next).await?;
            let followers = u32::try_from(self.news.receiver_count()).unwrap_or(u32::MAX);
            let interval = INTERVAL_PER_FOLLOWER.saturating_mul(followers);
            sleep(interval.min(MAX_INTERVAL)).await;
        }
    }

    /// Sends the lines from `next` on of a log that an event has shown. Returns the number of the
    /// line after them.
    async fn send_new_lines(&self, log: &Model, mut next: i32) -> Result<i32> {
        let complete = log.is_complete();
        loop {
            let range = LineRange {
                from: next,
                limit: log.num_lines.saturating_sub(next).clamp(0, MAX_BATCH_LINES),
                max_bytes: MAX_BATCH_BYTES,
            };
            let page = read_lines(&self.app, &self.app.db, log, range).await?;
            let after = page.next.unwrap_or(log.num_lines.max(next));
            let bytes = |line: &NumberedLine| size_of::<NumberedLine>() + line.text.len();
            let memory = self.app.memory.hold(page.lines.iter().map(bytes).sum());
            let is_all = after >= log.num_lines;
            let appended = AppendedLines {
                from: next,
                next: after,
                lines: page.lines,
                complete: complete && is_all,
                _memory: memory,
            };
            next = after;
            if !appended.lines.is_empty() || appended.complete {
                // Fails where nobody follows any more.
                let _ = self.news.send(TailNews::Appended(Arc::new(appended)));
            }
            if is_all {
                return Ok(next);
            }
        }
    }
}
