//! The root of mutations: Buildbot's update methods of steps, and those that create the builders
//! and builds that steps belong to. Each calls the service of its noun, after checking that time is
//! left: a write that has begun is not cut off. Each field is nullable, so that one that fails does
//! not hide what the others did.

use async_graphql::{Context, Object, SimpleObject};

use crate::{
    domain::{
        builder::BuilderInfo,
        error::Result,
        id::{BuildId, BuilderId, LogId, StepId},
        url::Url,
    },
    feed::handle::Feed,
    graphql::{
        execute::context::ContextExt,
        schema::{
            build::Build,
            builder::Builder,
            log::{Log, LogType},
            log_lines::LogStream,
            plain::{Plain, plain_object},
            results::Results,
            scalar::{DateTime, EventCursor},
            step::Step,
        },
    },
    service::{self, write::Updated},
    store::{build, log, step},
};

/// The step after the update, and the position of the event the update caused.
#[derive(SimpleObject)]
pub(crate) struct StepPayload {
    /// The step after the update.
    step: Step,
    /// The position of the event that the update caused.
    cursor: EventCursor,
}

impl StepPayload {
    fn new(feed: &Feed, (step, bookmark): Updated<step::Model>) -> Self {
        Self {
            step: Step(step.into()),
            cursor: EventCursor(feed.cursor(bookmark)),
        }
    }
}

/// The build after the update, and the position of the event the update caused.
#[derive(SimpleObject)]
pub(crate) struct BuildPayload {
    /// The build after the update.
    build: Build,
    /// The position of the event that the update caused.
    cursor: EventCursor,
}

impl BuildPayload {
    fn new(feed: &Feed, (build, bookmark): Updated<build::Model>) -> Self {
        Self {
            build: Build(build.into()),
            cursor: EventCursor(feed.cursor(bookmark)),
        }
    }
}

/// The builder after the update, and the position of the event the update caused.
#[derive(SimpleObject)]
pub(crate) struct BuilderPayload {
    /// The builder after the update.
    builder: Builder,
    /// The position of the event that the update caused.
    cursor: EventCursor,
}

/// The log after the update, and the position of the event the update caused.
#[derive(SimpleObject)]
pub(crate) struct LogPayload {
    /// The log after the update.
    log: Log,
    /// The position of the event that the update caused.
    cursor: EventCursor,
}

impl LogPayload {
    fn new(feed: &Feed, (log, bookmark): Updated<log::Model>) -> Self {
        Self {
            log: Log(log.into()),
            cursor: EventCursor(feed.cursor(bookmark)),
        }
    }
}

plain_object! {
    [] LogPayload, { "log" => log: Log, "cursor" => cursor }
}

plain_object! {
    [] StepPayload, { "step" => step: Step, "cursor" => cursor }
}

plain_object! {
    [] BuildPayload, { "build" => build: Build, "cursor" => cursor }
}

plain_object! {
    [] BuilderPayload, { "builder" => builder: Builder, "cursor" => cursor }
}

/// Everything that can be written. Each update is one transaction: it happens whole or not at all.
pub(crate) struct Mutation;

/// Everything that can be written. Each update is one transaction: it happens whole or not at all.
#[Object]
impl Mutation {
    /// Adds a step to a build, as Buildbot does also to one that is finished. A name already in use gets a suffix, so the step's name may differ from the one asked for.
    async fn new_step(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The build that the step belongs to.")] buildid: i32,
        #[graphql(
            desc = "1 to 50 characters: ASCII letters, `_`, `-`, U+00A0 and up; after the first also ASCII digits, `.`."
        )]
        name: String,
    ) -> Result<Option<Plain<StepPayload>>> {
        let (app, writer) = (ctx.app(), ctx.begin()?);
        let updated = service::step::new_step(app, &writer, BuildId(buildid), &name).await?;
        Ok(Some(Plain(StepPayload::new(&app.feed, updated))))
    }

    /// Starts a step, now or at `startedAt`; with `locksAcquired` it has all its locks from the start.
    /// As in Buildbot, a step can be started again, and after it has finished: that overwrites when it started, with `locksAcquired` also since when it has its locks, and nothing else.
    /// Times are taken in any order; a span that would be negative (`durationS`, `lockWaitS`) is null.
    async fn start_step(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The step to start. Starting it again overwrites when it started.")]
        stepid: i32,
        #[graphql(
            desc = "When the step started, from the year 1970 to a day ahead of the server's clock; now by default."
        )]
        started_at: Option<DateTime>,
        #[graphql(
            default = false,
            desc = "True for a step that needs no locks, or has them all already."
        )]
        locks_acquired: bool,
    ) -> Result<Option<Plain<StepPayload>>> {
        let (app, writer, at) = (ctx.app(), ctx.begin()?, started_at.map(|t| t.0));
        let updated =
            service::step::start_step(app, &writer, StepId(stepid), at, locks_acquired).await?;
        Ok(Some(Plain(StepPayload::new(&app.feed, updated))))
    }

    /// Says that a step has all its locks, now or since `locksAcquiredAt`.
    /// As in Buildbot, this can be said again, before the step starts and after it has finished; it overwrites the time.
    async fn set_step_locks_acquired_at(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The step that now has all its locks.")] stepid: i32,
        #[graphql(
            desc = "When it had them all, from the year 1970 to a day ahead of the server's clock; now by default."
        )]
        locks_acquired_at: Option<DateTime>,
    ) -> Result<Option<Plain<StepPayload>>> {
        let (app, writer, at) = (ctx.app(), ctx.begin()?, locks_acquired_at.map(|t| t.0));
        let updated =
            service::step::set_step_locks_acquired_at(app, &writer, StepId(stepid), at).await?;
        Ok(Some(Plain(StepPayload::new(&app.feed, updated))))
    }

    /// Replaces a step's state string; as in Buildbot, also after the step has finished.
    async fn set_step_state_string(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The step to describe.")] stepid: i32,
        #[graphql(
            desc = "What it is doing or did, sized for one line: at most 16,384 characters, no NUL."
        )]
        state_string: String,
    ) -> Result<Option<Plain<StepPayload>>> {
        let (app, writer) = (ctx.app(), ctx.begin()?);
        let updated =
            service::step::set_step_state_string(app, &writer, StepId(stepid), state_string)
                .await?;
        Ok(Some(Plain(StepPayload::new(&app.feed, updated))))
    }

    /// Adds a link to a step: an absolute http or https URL. One that the step has already is not added again.
    #[graphql(name = "addStepURL")]
    async fn add_step_url(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The step to show the link with.")] stepid: i32,
        #[graphql(
            desc = "The text of the link: 1 to 255 characters, not just spaces, no control characters."
        )]
        name: String,
        #[graphql(desc = "Where it leads: 1 to 2,048 characters, no control characters.")]
        url: String,
    ) -> Result<Option<Plain<StepPayload>>> {
        let (app, writer) = (ctx.app(), ctx.begin()?);
        let updated =
            service::step::add_step_url(app, &writer, StepId(stepid), Url { name, url }).await?;
        Ok(Some(Plain(StepPayload::new(&app.feed, updated))))
    }

    /// Marks a step as finished now, with these results.
    /// As in Buildbot, a step can be finished again, which overwrites when and how it ended; it can be finished though it never started or starts only later: its `durationS` is null.
    async fn finish_step(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The step to finish. Finishing it again overwrites how it ended.")]
        stepid: i32,
        #[graphql(desc = "How the step ended.")] results: Results,
        #[graphql(default = false, desc = "True if the step should not be displayed.")]
        hidden: bool,
    ) -> Result<Option<Plain<StepPayload>>> {
        let (app, writer) = (ctx.app(), ctx.begin()?);
        let updated =
            service::step::finish_step(app, &writer, StepId(stepid), results.into(), hidden)
                .await?;
        Ok(Some(Plain(StepPayload::new(&app.feed, updated))))
    }

    /// The builder of this name, made if there is none.
    async fn find_builder(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "1 to 255 characters, no control characters.")] name: String,
    ) -> Result<Option<Builder>> {
        let row = service::builder::find_builder(ctx.app(), &ctx.begin()?, &name).await?;
        Ok(Some(Builder(row.into())))
    }

    /// Sets what is given and leaves the rest; tags replace all tags.
    async fn update_builder_info(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The builder to describe.")] builderid: i32,
        #[graphql(desc = "What it is for: at most 65,535 bytes in UTF-8, no NUL.")]
        description: Option<String>,
        #[graphql(desc = "The markup that the description is written in, such as `markdown`.")]
        description_format: Option<String>,
        #[graphql(desc = "The description as HTML.")] description_html: Option<String>,
        #[graphql(
            desc = "All its tags, at most 100: 1 to 255 characters each, no control characters."
        )]
        tags: Option<Vec<String>>,
    ) -> Result<Option<Plain<BuilderPayload>>> {
        let (app, writer) = (ctx.app(), ctx.begin()?);
        let info = BuilderInfo {
            description,
            description_format,
            description_html,
            tags,
        };
        let id = BuilderId(builderid);
        let updated = service::builder::update_builder_info(app, &writer, id, info).await?;
        let (builder, bookmark) = updated;
        Ok(Some(Plain(BuilderPayload {
            builder: Builder(builder.into()),
            cursor: EventCursor(app.feed.cursor(bookmark)),
        })))
    }

    /// Adds a running build with the builder's next number.
    async fn add_build(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The builder that the build belongs to.")] builderid: i32,
    ) -> Result<Option<Plain<BuildPayload>>> {
        let (app, writer) = (ctx.app(), ctx.begin()?);
        let updated = service::build::add_build(app, &writer, BuilderId(builderid)).await?;
        Ok(Some(Plain(BuildPayload::new(&app.feed, updated))))
    }

    /// Replaces a build's state string.
    async fn set_build_state_string(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The build to describe.")] buildid: i32,
        #[graphql(
            desc = "What it is doing or did, sized for one line: at most 16,384 characters, no NUL."
        )]
        state_string: String,
    ) -> Result<Option<Plain<BuildPayload>>> {
        let (app, writer) = (ctx.app(), ctx.begin()?);
        let updated =
            service::build::set_build_state_string(app, &writer, BuildId(buildid), state_string)
                .await?;
        Ok(Some(Plain(BuildPayload::new(&app.feed, updated))))
    }

    /// Marks a build as finished now, with these results.
    /// As in Buildbot, a build can be finished again, and its steps are left as they are: those that run go on, and more can be added.
    async fn finish_build(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The build to finish. Finishing it again overwrites how it ended.")]
        buildid: i32,
        #[graphql(desc = "How the build ended.")] results: Results,
    ) -> Result<Option<Plain<BuildPayload>>> {
        let (app, writer) = (ctx.app(), ctx.begin()?);
        let updated =
            service::build::finish_build(app, &writer, BuildId(buildid), results.into()).await?;
        Ok(Some(Plain(BuildPayload::new(&app.feed, updated))))
    }

    /// Adds an empty log to a step, also to one that is finished. A slug already in use gets a suffix.
    async fn add_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The step that the log belongs to.")] stepid: i32,
        #[graphql(
            desc = "What people call it: 1 to 255 characters, no NUL. The slug is made of it."
        )]
        name: String,
        #[graphql(
            name = "type",
            default_with = "LogType::Stdio",
            desc = "What its lines will be; not DELETED."
        )]
        log_type: LogType,
    ) -> Result<Option<Plain<LogPayload>>> {
        let (app, writer) = (ctx.app(), ctx.begin()?);
        let (stepid, log_type) = (StepId(stepid), log_type.into());
        let updated = service::log::add_log(app, &writer, stepid, &name, log_type).await?;
        Ok(Some(Plain(LogPayload::new(&app.feed, updated))))
    }

    /// Adds lines to the end of a log that is not finished. Whoever else appends at the same time, they stay together and get the next numbers.
    /// As in Buildbot, `\r\n`, `\r`, backspaces and moves of a terminal's cursor end a line too, and a line of more than 4,096 characters becomes several.
    async fn append_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The log that gets the lines.")] logid: i32,
        #[graphql(
            desc = "Whole lines, at most 1,048,576 bytes; the last one need not end with a line break."
        )]
        content: String,
        #[graphql(
            default_with = "LogStream::Stdout",
            desc = "Where the lines come from; a log that is not of type STDIO has STDOUT alone."
        )]
        stream: LogStream,
    ) -> Result<Option<Plain<LogPayload>>> {
        let (app, writer) = (ctx.app(), ctx.begin()?);
        let (logid, stream) = (LogId(logid), stream.into());
        let updated = service::log::append_log(app, &writer, logid, content, stream).await?;
        Ok(Some(Plain(LogPayload::new(&app.feed, updated))))
    }

    /// Says that a log gets no more lines. It can be said again.
    async fn finish_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The log that is complete.")] logid: i32,
    ) -> Result<Option<Plain<LogPayload>>> {
        let (app, writer) = (ctx.app(), ctx.begin()?);
        let updated = service::log::finish_log(app, &writer, LogId(logid)).await?;
        Ok(Some(Plain(LogPayload::new(&app.feed, updated))))
    }
}
