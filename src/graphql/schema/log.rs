//! The GraphQL type Log: the fields of its row, and its step.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object};

use crate::{
    domain::{
        error::{Error, Result},
        log,
        log_text::{
            MAX_LINES,
            search::{LineMatcher, SearchArgs},
        },
    },
    graphql::{
        execute::context::ContextExt,
        schema::{
            log_lines::{LogLines, LogMatches, LogStream},
            node,
            plain::{Plain, name_of, plain_leaf, plain_object},
            step::Step,
            text::Text,
        },
    },
    service::{
        log_lines::{LineRange, first_line, read_lines},
        log_search::{SearchRange, search},
    },
    store::log::Model,
};

/// What a log's lines are.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "log::LogType")]
pub(crate) enum LogType {
    /// Lines of a program's output, each of a stream.
    Stdio,
    /// Plain text.
    Text,
    /// HTML.
    Html,
    /// The lines were dropped; `numLines` says how many there were.
    Deleted,
}

/// A log of a step: lines of text, numbered from 0.
#[derive(Clone)]
pub(crate) struct Log(pub(crate) Arc<Model>);

impl From<Arc<Model>> for Log {
    fn from(row: Arc<Model>) -> Self {
        Self(row)
    }
}

/// A log of a step: lines of text, numbered from 0.
#[Object]
impl Log {
    /// The ID of this object among all objects.
    pub(crate) async fn id(&self) -> ID {
        node::NodeId::Log(self.0.id).encode()
    }

    /// The unique ID of this log.
    async fn logid(&self) -> i32 {
        self.0.id.0
    }

    /// The step that this log belongs to.
    async fn stepid(&self) -> i32 {
        self.0.stepid.0
    }

    /// The step that this log belongs to.
    async fn step(&self, ctx: &Context<'_>) -> Result<Plain<Step>> {
        let id = self.0.stepid;
        let step = ctx.loaders().step(id).await?;
        step.map(|row| Plain(Step(row)))
            .ok_or_else(|| Error::not_found("step", id))
    }

    /// What people call it.
    async fn name(&self) -> Text<&str> {
        Text(&self.0.name)
    }

    /// An identifier of at most 50 characters, unique within the step.
    async fn slug(&self) -> Text<&str> {
        Text(&self.0.slug)
    }

    /// What the lines are.
    #[graphql(name = "type")]
    async fn log_type(&self) -> LogType {
        self.0.log_type().into()
    }

    /// True once no line will follow.
    async fn complete(&self) -> bool {
        self.0.is_complete()
    }

    /// How many lines there are.
    async fn num_lines(&self) -> i32 {
        self.0.num_lines
    }

    /// Lines by number. Fewer than asked for where their texts would be too long for an answer: `next` says where to go on. None where the log is of type DELETED.
    async fn lines(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            default = 0,
            desc = "The number of the first line, from 0; a negative one counts from the end, so that -100 is the last hundred."
        )]
        from: i32,
        #[graphql(default = 1000, desc = "How many lines at most; no more than 10,000.")]
        limit: i32,
    ) -> Result<Plain<LogLines>> {
        let range = LineRange {
            from: first_line(from, self.0.num_lines),
            limit: check_limit(limit)?,
            max_bytes: max_page_bytes(ctx),
        };
        let (app, loaders) = (ctx.app(), ctx.loaders());
        let read = read_lines(app, loaders.db(), &self.0, range);
        let page = loaders.budget().read(read, |page| page.rows).await?;
        Ok(Plain(LogLines(page)))
    }

    /// Lines that match, in order. Give either `text` or `regex`.
    #[expect(clippy::too_many_arguments, reason = "the contract's arguments")]
    async fn search(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Finds the lines with this text in them.")] text: Option<String>,
        #[graphql(
            desc = "Finds the lines that this regular expression matches somewhere, of the syntax of Rust's crate regex: its time is linear, so it has neither backreferences nor look-around."
        )]
        regex: Option<String>,
        #[graphql(
            default = false,
            desc = "True to take upper and lower case as the same."
        )]
        ignore_case: bool,
        #[graphql(desc = "Only lines of these streams; of any if left out.")] streams: Option<
            Vec<LogStream>,
        >,
        #[graphql(
            default = 0,
            desc = "The number of the first line to search: `next` of the page before. A negative one counts from the end."
        )]
        from: i32,
        #[graphql(
            default = 100,
            desc = "How many lines to find at most; no more than 10,000."
        )]
        limit: i32,
    ) -> Result<Plain<LogMatches>> {
        let streams: Option<Vec<_>> =
            streams.map(|streams| streams.into_iter().map(Into::into).collect());
        let matcher = LineMatcher::new(SearchArgs {
            text: text.as_deref(),
            regex: regex.as_deref(),
            ignore_case,
            streams: streams.as_deref(),
        })?;
        let range = SearchRange {
            from: first_line(from, self.0.num_lines),
            limit: usize::try_from(check_limit(limit)?).unwrap_or_default(),
            max_bytes: max_page_bytes(ctx),
        };
        let (app, loaders) = (ctx.app(), ctx.loaders());
        let search = search(app, loaders.db(), &self.0, &matcher, range);
        let page = loaders.budget().read(search, |page| page.rows).await?;
        Ok(Plain(LogMatches(page)))
    }
}

/// Checks how many lines are asked for.
fn check_limit(limit: i32) -> Result<i32> {
    if u64::try_from(limit).is_ok_and(|limit| limit <= MAX_LINES) {
        return Ok(limit);
    }
    let rule = format!("0 to {MAX_LINES}, got {limit}");
    Err(Error::invalid("limit", rule))
}

/// How many bytes the lines of a page may have, so that several fit into an answer.
fn max_page_bytes(ctx: &Context<'_>) -> usize {
    let bytes = ctx.app().config.limit.max_text_bytes / 4;
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

plain_leaf! {
    [] LogType, |value, out| out.value(name_of(*value));
}

plain_object! {
    [] Log, {
        "id" => id,
        "logid" => logid,
        "stepid" => stepid,
        "name" => name,
        "slug" => slug,
        "type" => log_type,
        "complete" => complete,
        "numLines" => num_lines,
    }
}
