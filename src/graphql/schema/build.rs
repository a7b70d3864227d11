//! The GraphQL type Build: the fields of its row, its builder, its steps, and the lists of builds.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use crate::{
    domain::{
        build::BuildField,
        builder_stats::{NewestBuilds, percentile},
        error::{Error, Result},
        filter::{Filter, Value},
        id::BuildId,
        page::PageArgs,
        page_input::{self, PageInput},
        step::{StepField, StepsArgs, by_number},
        time,
    },
    graphql::{
        execute::context::ContextExt,
        schema::{
            builder::Builder,
            connection::{ConnectionNode, NodeConnection},
            filter::{build::BuildFilter, step::StepFilter, where_input::read_where},
            node,
            order::{BuildOrder, StepOrder, read_order},
            plain::{Plain, plain_object},
            results::Results,
            scalar::{DateTime, NameOrNumber},
            step::Step,
            text::Text,
        },
    },
    store::{
        build::{self, Model},
        unchecked_int::UncheckedInt,
    },
};

/// A build of a builder.
#[derive(Clone)]
pub(crate) struct Build(pub(crate) Arc<Model>);

impl From<Arc<Model>> for Build {
    fn from(row: Arc<Model>) -> Self {
        Self(row)
    }
}

/// A build of a builder.
#[Object]
impl Build {
    /// The ID of this object among all objects.
    pub(crate) async fn id(&self) -> ID {
        node::NodeId::Build(self.0.id).encode()
    }

    /// The unique ID of this build.
    async fn buildid(&self) -> i32 {
        self.0.id.0
    }

    /// Sequential within the builder, from 1.
    async fn number(&self) -> i32 {
        self.0.number
    }

    /// The builder that this build belongs to.
    async fn builderid(&self) -> i32 {
        self.0.builderid.0
    }

    /// The builder that this build belongs to.
    async fn builder(&self, ctx: &Context<'_>) -> Result<Plain<Builder>> {
        let id = self.0.builderid;
        let builder = ctx.loaders().builder(id).await?;
        builder
            .map(|row| Plain(Builder(row)))
            .ok_or_else(|| Error::not_found("builder", id))
    }

    /// The ID of the build request that this build answers, on a Buildbot master's database.
    async fn buildrequestid(&self) -> Option<i32> {
        self.0.buildrequestid
    }

    /// The ID of the worker that this build runs on, on a Buildbot master's database.
    async fn workerid(&self) -> Option<i32> {
        self.0.workerid
    }

    /// The ID of the master that runs this build, on a Buildbot master's database.
    async fn masterid(&self) -> Option<i32> {
        self.0.masterid
    }

    /// When the build started.
    async fn started_at(&self) -> DateTime {
        // Not null by contract, so a value that RFC 3339 cannot write shows as the nearest it can.
        let seconds = self.0.started_at.int().unwrap_or(time::EARLIEST);
        DateTime(seconds.clamp(time::FIRST_WRITABLE, time::LATEST))
    }

    /// True once the build has a time of completion.
    async fn complete(&self) -> bool {
        self.0.complete_at.is_some()
    }

    /// Null while the build is running.
    async fn complete_at(&self) -> Option<DateTime> {
        DateTime::from_column(self.0.complete_at.as_ref())
    }

    /// Seconds from start to completion; null before that, and where it completed before it started.
    async fn duration_s(&self) -> Option<i32> {
        self.0.duration_s()
    }

    /// When it should be complete: after the median of the durations of the builder's last 20 builds that ended as SUCCESS or WARNINGS. Null where it is complete, and where there is no such build.
    async fn expected_complete_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        if self.0.complete_at.is_some() {
            return Ok(None);
        }
        let (builder, newest) = (self.0.builderid, NewestBuilds::EXPECTATION);
        let builds = ctx.loaders().newest_builds(builder, newest).await?;
        let mut durations: Vec<i32> = builds.iter().filter_map(Model::duration_s).collect();
        let median = percentile(&mut durations, 50);
        let start = self.0.started_at.int();
        let expected = start
            .zip(median)
            .map(|(start, median)| start.saturating_add(median.into()));
        Ok(expected.and_then(DateTime::if_writable))
    }

    /// How many seconds the steps of this build have waited for locks, in all.
    async fn locks_duration_s(&self) -> i32 {
        self.0.locks_duration_s
    }

    /// First one word or phrase, then text sized for a one-line display.
    async fn state_string(&self) -> Text<&str> {
        Text(&self.0.state_string)
    }

    /// Null until the build is complete.
    async fn results(&self, ctx: &Context<'_>) -> Option<Results> {
        let results = Results::from_column(self.0.results.as_ref());
        if results.is_none() && self.0.results.is_some() {
            ctx.report_invalid("builds.results", self.0.id.0);
        }
        results
    }

    /// The step that runs now: the unfinished one of the highest number. Null where the build is complete: none of its steps runs, whatever it left unfinished.
    async fn current_step(&self, ctx: &Context<'_>) -> Result<Option<Plain<Step>>> {
        if self.0.complete_at.is_some() {
            return Ok(None);
        }
        let step = ctx.loaders().current_step(self.0.id).await?;
        Ok(step.map(|row| Plain(Step(row))))
    }

    /// The steps of this build, by number. With nameOrNumber: the one step of that number or name, or none.
    async fn steps(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Only the step of this number or name; text of ASCII digits is a number."
        )]
        name_or_number: Option<NameOrNumber>,
        #[graphql(
            name = "where",
            desc = "Which steps of this build; all of them if left out."
        )]
        filter: Option<Box<StepFilter>>,
        #[graphql(desc = "The most significant key first; by number if none is given.")]
        order_by: Option<Vec<StepOrder>>,
        #[graphql(desc = "At most this many, up to 10,000.")] limit: Option<i32>,
        #[graphql(desc = "Skips this many from the start; 0 by default.")] offset: Option<i32>,
    ) -> Result<Plain<Vec<Step>>> {
        let mut filter = read_where(filter)?;
        if let Some(NameOrNumber(which)) = name_or_number {
            let (field, test) = which.test();
            filter = Filter::All(vec![Filter::Field(field, test), filter]);
        }
        let range = read_step_range(limit, offset)?;
        // An empty `orderBy` also means the default.
        let order = match order_by.filter(|keys| !keys.is_empty()) {
            None => by_number(),
            keys => read_order(keys, StepField::Stepid),
        };
        let args = StepsArgs {
            filter,
            order,
            range,
        };
        let rows = ctx.loaders().steps_of(self.0.id, Arc::new(args)).await?;
        Ok(Plain(rows.into_iter().map(Step).collect()))
    }
}

/// Reads a limit and an offset of steps; `None` if neither is given.
fn read_step_range(limit: Option<i32>, offset: Option<i32>) -> Result<Option<(u64, u64)>> {
    let bounded = |argument, value: Option<i32>, max| {
        value
            .map(|v| page_input::check_bounds(argument, v, max))
            .transpose()
    };
    let limit = bounded("limit", limit, page_input::MAX_LIMIT)?;
    let offset = bounded("offset", offset, i32::MAX as u64)?;
    let is_limited = limit.is_some() || offset.is_some();
    Ok(is_limited.then(|| (limit.unwrap_or(page_input::MAX_LIMIT), offset.unwrap_or(0))))
}

plain_object! {
    [] Build, {
        "id" => id,
        "buildid" => buildid,
        "number" => number,
        "builderid" => builderid,
        "buildrequestid" => buildrequestid,
        "workerid" => workerid,
        "masterid" => masterid,
        "startedAt" => started_at,
        "complete" => complete,
        "completeAt" => complete_at,
        "durationS" => duration_s,
        "locksDurationS" => locks_duration_s,
        "stateString" => state_string,
        "results" => results,
    }
}

impl ConnectionNode for Build {
    type Row = Model;
    type Field = BuildField;

    fn value(&self, field: BuildField) -> Option<Value> {
        let int = |n: i32| Some(Value::Int(n.into()));
        let row = &self.0;
        match field {
            BuildField::Buildid => int(row.id.0),
            BuildField::Builderid => int(row.builderid.0),
            BuildField::Number => int(row.number),
            BuildField::Buildrequestid => row.buildrequestid.and_then(int),
            BuildField::Workerid => row.workerid.and_then(int),
            BuildField::Masterid => row.masterid.and_then(int),
            BuildField::StateString => Some(Value::Text(row.state_string.clone())),
            BuildField::StartedAt => Some(row.started_at.value()),
            BuildField::Complete => int(row.complete_at.is_some().into()),
            BuildField::CompleteAt => row.complete_at.as_ref().map(UncheckedInt::value),
            BuildField::LocksDurationS => int(row.locks_duration_s),
            BuildField::Results => row.results.as_ref().map(UncheckedInt::value),
        }
    }
}

/// The build with this id.
pub(crate) async fn find(ctx: &Context<'_>, id: BuildId) -> Result<Option<Plain<Build>>> {
    let field = ctx.field();
    let asks_for_steps = field.selection_set().any(|field| {
        field.name() == "steps" && field.arguments().is_ok_and(|given| given.is_empty())
    });
    let row = if asks_for_steps {
        ctx.loaders().build_with_steps(id).await?
    } else {
        ctx.loaders().build(id).await?
    };
    Ok(row.map(|row| Plain(Build(row))))
}

/// A page of the builds of one builder or, without one, of all builders.
pub(crate) async fn load_connection(
    ctx: &Context<'_>,
    builder: Option<&Builder>,
    filter: Option<Box<BuildFilter>>,
    order: Option<Vec<BuildOrder>>,
    page: PageInput,
) -> Result<Plain<NodeConnection<Build>>> {
    let order = read_order(order, BuildField::Buildid);
    let args = Arc::new(PageArgs {
        filter: read_where(filter)?,
        range: page.range(&order)?,
        order,
    });
    // Loaders batch the lists of all builders; the list of all builds is only one.
    if let Some(builder) = builder {
        let (id, loaders) = (builder.0.id, ctx.loaders());
        let rows = loaders.builds_of(id, args.clone());
        let count = loaders.build_count(id, args.filter.clone());
        return NodeConnection::load(ctx, &args, rows, count).await;
    }
    let db = ctx.loaders().db();
    let rows = ctx.loaders().page(build::page(db, &args));
    NodeConnection::load(ctx, &args, rows, build::count(db, &args.filter)).await
}
