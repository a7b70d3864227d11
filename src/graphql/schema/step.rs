//! The GraphQL type Step: the fields of its row, its build, links and logs, and the list of steps.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use crate::{
    domain::{
        error::{Error, Result},
        filter::Value,
        page::PageArgs,
        page_input::PageInput,
        step::StepField,
        url,
    },
    graphql::{
        execute::context::ContextExt,
        schema::{
            build::Build,
            connection::{ConnectionNode, NodeConnection},
            filter::{step::StepFilter, where_input::read_where},
            log::Log,
            node,
            order::{StepOrder, read_order},
            plain::{Plain, plain_object},
            results::Results,
            scalar::DateTime,
            text::Text,
        },
    },
    store::{
        step::{self, Model},
        unchecked_int::UncheckedInt,
    },
};

/// A step of a build.
#[derive(Clone)]
pub(crate) struct Step(pub(crate) Arc<Model>);

impl From<Arc<Model>> for Step {
    fn from(row: Arc<Model>) -> Self {
        Self(row)
    }
}

/// A link shown with a step.
#[derive(SimpleObject)]
pub(crate) struct Url {
    /// The text of the link.
    name: Text<String>,
    /// Where it leads.
    url: Text<String>,
}

/// A step of a build.
#[Object]
impl Step {
    /// The ID of this object among all objects.
    pub(crate) async fn id(&self) -> ID {
        node::NodeId::Step(self.0.id).encode()
    }

    /// The unique ID of this step.
    async fn stepid(&self) -> i32 {
        self.0.id.0
    }

    /// The build that this step belongs to.
    async fn buildid(&self) -> i32 {
        self.0.buildid.0
    }

    /// The build that this step belongs to.
    async fn build(&self, ctx: &Context<'_>) -> Result<Plain<Build>> {
        let id = self.0.buildid;
        let build = ctx.loaders().build(id).await?;
        build
            .map(|row| Plain(Build(row)))
            .ok_or_else(|| Error::not_found("build", id))
    }

    /// Sequential within the build, from 0.
    async fn number(&self) -> i32 {
        self.0.number
    }

    /// An identifier of at most 50 characters, unique within the build.
    async fn name(&self) -> Text<&str> {
        Text(&self.0.name)
    }

    /// Null until the step starts.
    async fn started_at(&self) -> Option<DateTime> {
        DateTime::from_column(self.0.started_at.as_ref())
    }

    /// Null until the step holds all its locks.
    async fn locks_acquired_at(&self) -> Option<DateTime> {
        DateTime::from_column(self.0.locks_acquired_at.as_ref())
    }

    /// True once the step has a time of completion.
    async fn complete(&self) -> bool {
        self.0.complete_at.is_some()
    }

    /// Null while the step is running.
    async fn complete_at(&self) -> Option<DateTime> {
        DateTime::from_column(self.0.complete_at.as_ref())
    }

    /// Null until the step is complete.
    async fn results(&self, ctx: &Context<'_>) -> Option<Results> {
        let results = Results::from_column(self.0.results.as_ref());
        if results.is_none() && self.0.results.is_some() {
            ctx.report_invalid("steps.results", self.0.id.0);
        }
        results
    }

    /// First one word or phrase, then text sized for a one-line display.
    async fn state_string(&self) -> Text<&str> {
        Text(&self.0.state_string)
    }

    /// The links shown with this step, in the order they were added.
    async fn urls(&self, ctx: &Context<'_>) -> Vec<Url> {
        let urls = url::Url::read(&self.0.urls_json).unwrap_or_else(|| {
            ctx.report_invalid("steps.urls_json", self.0.id.0);
            Vec::new()
        });
        urls.into_iter()
            .map(|u| Url {
                name: Text(u.name),
                url: Text(u.url),
            })
            .collect()
    }

    /// The logs of this step, in the order in which they were added.
    async fn logs(&self, ctx: &Context<'_>) -> Result<Plain<Vec<Log>>> {
        let rows = ctx.loaders().logs_of(self.0.id).await?;
        Ok(Plain(rows.into_iter().map(Log).collect()))
    }

    /// The log of this slug, or null.
    async fn log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The log's slug: often its name, such as `stdio`.")] slug: String,
    ) -> Result<Option<Plain<Log>>> {
        let row = ctx.loaders().log_by_slug(self.0.id, slug).await?;
        Ok(row.map(|row| Plain(Log(row))))
    }

    /// True if the step should not be displayed.
    async fn hidden(&self) -> bool {
        self.0.is_hidden()
    }

    /// Seconds from start to completion; null before that, and where it completed before it started.
    async fn duration_s(&self) -> Option<i32> {
        self.seconds_since_start(self.0.complete_at.as_ref())
    }

    /// Seconds from start until all locks were held; null before that, and where they were held before it started.
    async fn lock_wait_s(&self) -> Option<i32> {
        self.seconds_since_start(self.0.locks_acquired_at.as_ref())
    }
}

impl Step {
    fn seconds_since_start(&self, time: Option<&UncheckedInt>) -> Option<i32> {
        time?.seconds_since(self.0.started_at.as_ref()?)
    }
}

plain_object! {
    [] Url, { "name" => name, "url" => url }
}

plain_object! {
    [] Step, {
        "id" => id,
        "stepid" => stepid,
        "buildid" => buildid,
        "number" => number,
        "name" => name,
        "startedAt" => started_at,
        "locksAcquiredAt" => locks_acquired_at,
        "complete" => complete,
        "completeAt" => complete_at,
        "results" => results,
        "stateString" => state_string,
        "urls" => urls: Vec<Url>,
        "hidden" => hidden,
        "durationS" => duration_s,
        "lockWaitS" => lock_wait_s,
    }
}

impl ConnectionNode for Step {
    type Row = Model;
    type Field = StepField;

    fn value(&self, field: StepField) -> Option<Value> {
        let int = |n: i32| Some(Value::Int(n.into()));
        let row = &self.0;
        match field {
            StepField::Stepid => int(row.id.0),
            StepField::Buildid => int(row.buildid.0),
            // No order has them.
            StepField::Builderid | StepField::BuilderName => None,
            StepField::Number => int(row.number),
            StepField::Name => Some(Value::Text(row.name.clone())),
            StepField::StateString => Some(Value::Text(row.state_string.clone())),
            StepField::StartedAt => row.started_at.as_ref().map(UncheckedInt::value),
            StepField::LocksAcquiredAt => row.locks_acquired_at.as_ref().map(UncheckedInt::value),
            StepField::Complete => int(row.complete_at.is_some().into()),
            StepField::CompleteAt => row.complete_at.as_ref().map(UncheckedInt::value),
            StepField::Hidden => int(row.is_hidden().into()),
            StepField::Results => row.results.as_ref().map(UncheckedInt::value),
            StepField::Urls => Some(Value::Text(row.urls_json.clone())),
        }
    }
}

/// A page of all steps.
pub(crate) async fn load_connection(
    ctx: &Context<'_>,
    filter: Option<Box<StepFilter>>,
    order: Option<Vec<StepOrder>>,
    page: PageInput,
) -> Result<Plain<NodeConnection<Step>>> {
    let order = read_order(order, StepField::Stepid);
    let args = PageArgs {
        filter: read_where(filter)?,
        range: page.range(&order)?,
        order,
    };
    let db = ctx.loaders().db();
    let rows = ctx.loaders().page(step::page(db, &args));
    NodeConnection::load(ctx, &args, rows, step::count(db, &args.filter)).await
}
