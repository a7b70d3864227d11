//! The root of queries.

use async_graphql::{Context, ID, Object};

use crate::{
    domain::{
        error::{Error, Result},
        id::{BuildId, BuilderId, StepId},
        page_input::PageInput,
    },
    graphql::{
        execute::context::ContextExt,
        schema::{
            build::{self, Build},
            builder::{self, Builder},
            connection::Connection,
            filter::{BuildFilter, BuilderFilter, StepFilter},
            node::{self, Node},
            order::{BuildOrder, BuilderOrder, StepOrder},
            scalar::EventCursor,
            step::{self, Step},
        },
    },
};

/// Everything that can be read.
pub(crate) struct Query;

/// Everything that can be read.
#[Object]
#[expect(clippy::too_many_arguments, reason = "the contract's arguments")]
impl Query {
    /// The object with this ID, of whatever type, or null.
    async fn node(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Node>> {
        node::find(ctx, &id).await
    }

    /// One builder, by exactly one of its id and its name.
    async fn builder(
        &self,
        ctx: &Context<'_>,
        builderid: Option<i32>,
        name: Option<String>,
    ) -> Result<Option<Builder>> {
        match (builderid, name) {
            (Some(id), None) => ctx.loaders().builder(BuilderId(id)).await,
            (None, Some(name)) => ctx.loaders().builder_by_name(name).await,
            (Some(_), Some(_)) => Err(Error::invalid(
                "builder",
                "exactly one of builderid and name, got both",
            )),
            (None, None) => Err(Error::invalid(
                "builder",
                "exactly one of builderid and name, got neither",
            )),
        }
    }

    /// The builders, by id where no order is given.
    async fn builders(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where")] filter: Option<BuilderFilter>,
        order_by: Option<Vec<BuilderOrder>>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Builder>> {
        let page = PageInput {
            first,
            after,
            last,
            before,
        };
        builder::connection(ctx, filter, order_by, page).await
    }

    /// The build with this id, or null.
    async fn build(&self, ctx: &Context<'_>, buildid: i32) -> Result<Option<Build>> {
        ctx.loaders().build(BuildId(buildid)).await
    }

    /// The builds of all builders, by id where no order is given.
    async fn builds(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where")] filter: Option<BuildFilter>,
        order_by: Option<Vec<BuildOrder>>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Build>> {
        let page = PageInput {
            first,
            after,
            last,
            before,
        };
        build::connection(ctx, None, filter, order_by, page).await
    }

    /// The step with this id, or null.
    async fn step(&self, ctx: &Context<'_>, stepid: i32) -> Result<Option<Step>> {
        ctx.loaders().step(StepId(stepid)).await
    }

    /// The steps of all builds, by id where no order is given.
    async fn steps(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where")] filter: Option<StepFilter>,
        order_by: Option<Vec<StepOrder>>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Step>> {
        let page = PageInput {
            first,
            after,
            last,
            before,
        };
        step::connection(ctx, filter, order_by, page).await
    }

    #[expect(
        clippy::unused_async,
        reason = "resolvers are async; this one's answer was read before"
    )]
    /// The feed's newest position, taken before any other field of the same request is read: a subscription with `after` this misses nothing the request did not show.
    async fn event_cursor(&self, ctx: &Context<'_>) -> Result<EventCursor> {
        ctx.event_cursor()
    }
}
