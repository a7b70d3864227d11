//! The GraphQL type `LogTail`, and the stream of them: first what a subscriber is behind, which it
//! reads itself, then what is appended.

use std::sync::Arc;

use async_graphql::{Context, Object};
use futures_util::stream::{self, Stream};

use crate::{
    app::App,
    domain::{
        error::{Error, Result},
        id::LogId,
        log_text::lines::NumberedLine,
    },
    graphql::{
        execute::{budget::Budget, context::ContextExt},
        schema::{
            log_lines::{LogLine, log_lines},
            plain::{Plain, plain_object},
        },
        subscribe::event_source::EventSource,
    },
    service::{
        log_lines::{LineRange, first_line, read_lines},
        log_tail::{LogTails, TailNews, TailReceiver},
    },
    store::{
        db::database::Db,
        log::{self, Model},
    },
};

/// How many lines a message has at most, and about how many bytes.
const MAX_LINES: i32 = 1_000;
const MAX_BYTES: usize = 1 << 20;

/// Lines of a log that is followed.
pub(crate) struct LogTail {
    from: i32,
    next: i32,
    lines: Vec<NumberedLine>,
    complete: bool,
}

/// Lines of a log that is followed.
#[Object]
impl LogTail {
    /// The number of the first line.
    async fn from(&self) -> i32 {
        self.from
    }

    /// The number of the line after the last: ask with `from: next` after a lost connection.
    async fn next(&self) -> i32 {
        self.next
    }

    /// The lines, in order.
    async fn lines(&self) -> Plain<Vec<LogLine>> {
        log_lines(&self.lines)
    }

    /// True once no line will follow; the stream ends with this message.
    async fn complete(&self) -> bool {
        self.complete
    }
}

plain_object! {
    [] LogTail, {
        "from" => from,
        "next" => next,
        "lines" => lines: Vec<LogLine>,
        "complete" => complete,
    }
}

/// A subscriber that follows a log.
struct TailStream {
    app: App,
    db: Db,
    budget: Arc<Budget>,
    follower: TailReceiver,
    logid: LogId,
    /// The number of the next line; a negative one counts from the end, and is not known yet.
    at: i32,
    /// There may be lines that nobody will tell of.
    is_behind: bool,
    is_begun: bool,
    is_over: bool,
}

/// Follows a log from a line on.
///
/// # Errors
/// `NotFound`, and those of the feed.
pub(crate) async fn follow(
    ctx: &Context<'_>,
    logid: LogId,
    from: i32,
) -> Result<impl Stream<Item = Result<Plain<LogTail>>> + use<>> {
    // Cloned, since the stream outlives the resolver's context.
    let (app, budget) = (ctx.app().clone(), ctx.loaders().budget().clone());
    let state = ctx.data_unchecked::<EventSource>().state.clone();
    // The stream has no deadline: only its start and each message have one.
    budget.renew(app.deadline());
    if ctx.loaders().log(logid).await?.is_none() {
        return Err(Error::not_found("log", logid));
    }
    let follow = ctx.data_unchecked::<LogTails>().follow(&app, logid);
    let tail = TailStream {
        db: ctx.loaders().db().clone(),
        follower: budget.read(follow, |_| 0).await?,
        app,
        budget,
        logid,
        at: from,
        is_behind: true,
        is_begun: false,
        is_over: false,
    };
    // Last: an error before this is a refusal.
    state.open();
    Ok(stream::try_unfold(tail, move |mut tail| {
        let state = state.clone();
        async move {
            if tail.is_over {
                return Ok(None);
            }
            // The library resolves each message before it polls for the next.
            tail.budget.release();
            let message = tail.next().await.inspect_err(|_| state.fail())?;
            tail.is_over = message.complete;
            tail.budget.renew(tail.app.deadline());
            Ok(Some((Plain(message), tail)))
        }
    }))
}

impl TailStream {
    async fn next(&mut self) -> Result<LogTail> {
        loop {
            if self.is_behind {
                if let Some(message) = self.catch_up().await? {
                    return Ok(message);
                }
                continue;
            }
            let appended = match self.follower.next().await {
                None => {
                    self.is_behind = true;
                    continue;
                }
                Some(TailNews::Failed(error)) => return Err(error),
                Some(TailNews::Appended(appended)) => appended,
            };
            if appended.from > self.at {
                self.is_behind = true;
            } else if appended.next > self.at || appended.complete {
                let lines = appended.lines.iter();
                let lines = lines.filter(|line| line.number >= self.at).cloned();
                let next = appended.next.max(self.at);
                return Ok(self.message(lines.collect(), next, appended.complete));
            }
        }
    }

    /// The next lines that are there already; `None` where there are none. The first message comes
    /// at once, even without lines.
    async fn catch_up(&mut self) -> Result<Option<LogTail>> {
        self.budget.renew(self.app.deadline());
        let row = self.read(log::by_ids(&self.db, &[self.logid])).await?;
        let row: Option<&Model> = row.get(&self.logid);
        let row = row.ok_or_else(|| Error::not_found("log", self.logid))?;
        self.at = first_line(self.at, row.num_lines);
        let wanted = row.num_lines.saturating_sub(self.at);
        let range = LineRange {
            from: self.at,
            limit: wanted.clamp(0, MAX_LINES),
            max_bytes: MAX_BYTES,
        };
        let page = self
            .read(read_lines(&self.app, &self.db, row, range))
            .await?;
        let next = page.next.unwrap_or(row.num_lines.max(self.at));
        let complete = row.is_complete() && next >= row.num_lines;
        if page.lines.is_empty() && !complete && self.is_begun {
            // Lines that a hole swallows are passed over.
            self.at = next;
            self.is_behind = next < row.num_lines;
            return Ok(None);
        }
        Ok(Some(self.message(page.lines, next, complete)))
    }

    async fn read<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.budget.read(work, |_| 0).await
    }

    fn message(&mut self, lines: Vec<NumberedLine>, next: i32, complete: bool) -> LogTail {
        let from = std::mem::replace(&mut self.at, next);
        self.is_begun = true;
        LogTail {
            from,
            next,
            lines,
            complete,
        }
    }
}
