//! The root of queries: each object by its id, the lists, and the feed's position.

use async_graphql::{Context, ID, Object};

use crate::{
    domain::{
        error::{Error, Result},
        id::{BuildId, BuilderId, LogId, StepId},
        page_input::PageInput,
    },
    graphql::{
        execute::context::ContextExt,
        schema::{
            build::{self, Build},
            builder::{self, Builder},
            connection::NodeConnection,
            federation::{self, Any, Entity, Service},
            filter::{build::BuildFilter, builder::BuilderFilter, step::StepFilter},
            log::Log,
            node::{self, Node},
            order::{BuildOrder, BuilderOrder, StepOrder},
            plain::Plain,
            scalar::EventCursor,
            step::{self, Step},
        },
    },
};

/// Everything that can be read. The future of a root field has room for the largest resolver, so
/// what is large is boxed.
pub(crate) struct Query;

/// Everything that can be read.
#[Object]
#[expect(clippy::too_many_arguments, reason = "the contract's arguments")]
impl Query {
    /// The object with this ID, of whatever type, or null.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the field `id` of an object gave; any other text is an error.")]
        id: ID,
    ) -> Result<Option<Node>> {
        Box::pin(node::find(ctx, "id", &id)).await
    }

    /// The objects with these IDs, in their order; null where there is none.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "At most 500, of any types; null stands in the place of one that is no ID, with an error."
        )]
        ids: Vec<ID>,
    ) -> Result<Vec<Option<Result<Node>>>> {
        Box::pin(node::find_all(ctx, &ids)).await
    }

    /// One builder, by exactly one of its id and its name.
    async fn builder(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The builder's unique ID; not with `name`.")] builderid: Option<i32>,
        #[graphql(
            desc = "The builder's name, in upper and lower case as it is; not with `builderid`."
        )]
        name: Option<String>,
    ) -> Result<Option<Plain<Builder>>> {
        let row = match (builderid, name) {
            (Some(id), None) => ctx.loaders().builder(BuilderId(id)).await?,
            (None, Some(name)) => ctx.loaders().builder_by_name(name).await?,
            (Some(_), Some(_)) => {
                let rule = "exactly one of builderid and name, got both";
                return Err(Error::invalid("builder", rule));
            }
            (None, None) => {
                let rule = "exactly one of builderid and name, got neither";
                return Err(Error::invalid("builder", rule));
            }
        };
        Ok(row.map(|row| Plain(Builder(row))))
    }

    /// The builders, by id where no order is given.
    async fn builders(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            name = "where",
            desc = "Which builders the list shows; all of them if left out."
        )]
        filter: Option<Box<BuilderFilter>>,
        #[graphql(desc = "The most significant key first. Ties go by builderid, ascending.")]
        order_by: Option<Vec<BuilderOrder>>,
        #[graphql(desc = "At most this many rows from the start; 50 by default, at most 500.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor, which a list in the same order gave.")]
        after: Option<String>,
        #[graphql(desc = "At most this many rows from the end, up to 500; not with `first`.")]
        last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor, which a list in the same order gave.")]
        before: Option<String>,
    ) -> Result<Plain<NodeConnection<Builder>>> {
        let page = PageInput {
            first,
            after,
            last,
            before,
        };
        Box::pin(builder::load_connection(ctx, filter, order_by, page)).await
    }

    /// The build with this id, or null.
    async fn build(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The build's unique ID, not its number within the builder.")] buildid: i32,
    ) -> Result<Option<Plain<Build>>> {
        build::find(ctx, BuildId(buildid)).await
    }

    /// The builds of all builders, by id where no order is given.
    async fn builds(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            name = "where",
            desc = "Which builds the list shows; all of them if left out."
        )]
        filter: Option<Box<BuildFilter>>,
        #[graphql(desc = "The most significant key first. Ties go by buildid, ascending.")]
        order_by: Option<Vec<BuildOrder>>,
        #[graphql(desc = "At most this many rows from the start; 50 by default, at most 500.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor, which a list in the same order gave.")]
        after: Option<String>,
        #[graphql(desc = "At most this many rows from the end, up to 500; not with `first`.")]
        last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor, which a list in the same order gave.")]
        before: Option<String>,
    ) -> Result<Plain<NodeConnection<Build>>> {
        let page = PageInput {
            first,
            after,
            last,
            before,
        };
        Box::pin(build::load_connection(ctx, None, filter, order_by, page)).await
    }

    /// The step with this id, or null.
    async fn step(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The step's unique ID, not its number within the build.")] stepid: i32,
    ) -> Result<Option<Plain<Step>>> {
        let row = ctx.loaders().step(StepId(stepid)).await?;
        Ok(row.map(|row| Plain(Step(row))))
    }

    /// The steps of all builds, by id where no order is given.
    async fn steps(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            name = "where",
            desc = "Which steps the list shows; all of them if left out."
        )]
        filter: Option<Box<StepFilter>>,
        #[graphql(desc = "The most significant key first. Ties go by stepid, ascending.")]
        order_by: Option<Vec<StepOrder>>,
        #[graphql(desc = "At most this many rows from the start; 50 by default, at most 500.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor, which a list in the same order gave.")]
        after: Option<String>,
        #[graphql(desc = "At most this many rows from the end, up to 500; not with `first`.")]
        last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor, which a list in the same order gave.")]
        before: Option<String>,
    ) -> Result<Plain<NodeConnection<Step>>> {
        let page = PageInput {
            first,
            after,
            last,
            before,
        };
        Box::pin(step::load_connection(ctx, filter, order_by, page)).await
    }

    /// The log with this id, or null.
    async fn log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The log's unique ID.")] logid: i32,
    ) -> Result<Option<Plain<Log>>> {
        let row = ctx.loaders().log(LogId(logid)).await?;
        Ok(row.map(|row| Plain(Log(row))))
    }

    /// For the gateway of a federation: the objects that others refer to, in their order; null where there is none.
    #[graphql(name = "_entities")]
    async fn entities(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "At most 1,000, of any types; null stands in the place of one that names no object, with an error if it is malformed."
        )]
        representations: Vec<Any>,
    ) -> Result<Vec<Option<Result<Entity>>>> {
        Box::pin(federation::find_all(ctx, &representations)).await
    }

    /// For the gateway of a federation: this service.
    #[graphql(name = "_service")]
    async fn service(&self, ctx: &Context<'_>) -> Service {
        let sdl = ctx.subgraph_sdl().to_owned();
        Service { sdl }
    }

    #[expect(
        clippy::unused_async,
        reason = "resolvers are async; this one's cursor was read before"
    )]
    /// The feed's newest position, taken before any other field of the same request is read: a subscription with `after` this misses nothing the request did not show.
    async fn event_cursor(&self, ctx: &Context<'_>) -> Result<EventCursor> {
        ctx.event_cursor()
    }
}
