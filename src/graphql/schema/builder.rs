//! The GraphQL type Builder: the fields of its row, its tags, its builds, and the list of builders.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use crate::{
    domain::{
        builder::BuilderField, builder_stats::NewestBuilds, error::Result, filter::Value,
        page::PageArgs, page_input::PageInput,
    },
    graphql::{
        execute::context::ContextExt,
        schema::{
            build::{self, Build},
            builder_stats::BuilderStats,
            connection::{ConnectionNode, NodeConnection},
            filter::{build::BuildFilter, builder::BuilderFilter, where_input::read_where},
            node,
            order::{BuildOrder, BuilderOrder, read_order},
            plain::{Plain, plain_object},
            text::Text,
        },
    },
    store::builder::{self, Model},
};

/// Something that is built again and again.
#[derive(Clone)]
pub(crate) struct Builder(pub(crate) Arc<Model>);

impl From<Arc<Model>> for Builder {
    fn from(row: Arc<Model>) -> Self {
        Self(row)
    }
}

/// Something that is built again and again.
#[Object]
impl Builder {
    /// The ID of this object among all objects.
    pub(crate) async fn id(&self) -> ID {
        node::NodeId::Builder(self.0.id).encode()
    }

    /// The unique ID of this builder.
    async fn builderid(&self) -> i32 {
        self.0.id.0
    }

    /// The name, unique among builders.
    async fn name(&self) -> Text<&str> {
        Text(&self.0.name)
    }

    /// What this builder is for, as written in the configuration.
    async fn description(&self) -> Option<Text<&str>> {
        self.0.description.as_deref().map(Text)
    }

    /// The markup that the description is written in.
    async fn description_format(&self) -> Option<Text<&str>> {
        self.0.description_format.as_deref().map(Text)
    }

    /// The description as HTML, made by Buildbot from the description.
    async fn description_html(&self) -> Option<Text<&str>> {
        self.0.description_html.as_deref().map(Text)
    }

    /// The ID of the project that this builder belongs to, on a Buildbot master's database.
    async fn projectid(&self) -> Option<i32> {
        self.0.projectid
    }

    /// The tags of this builder.
    async fn tags(&self, ctx: &Context<'_>) -> Result<Vec<Text<String>>> {
        let tags = ctx.loaders().tags(self.0.id).await?;
        Ok(tags.into_iter().map(Text).collect())
    }

    /// The build with this number, unique within the builder.
    async fn build(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The build's number within this builder, from 1.")] number: i32,
    ) -> Result<Option<Plain<Build>>> {
        let row = ctx.loaders().build_by_number(self.0.id, number).await?;
        Ok(row.map(|row| Plain(Build(row))))
    }

    /// How its newest complete builds went, and where their time went.
    async fn stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            default = 50,
            desc = "How many builds, those of the highest numbers: 1 to 500."
        )]
        last: i32,
    ) -> Result<BuilderStats> {
        let newest = NewestBuilds::last(last)?;
        let builds = ctx.loaders().newest_builds(self.0.id, newest).await?;
        Ok(BuilderStats(builds))
    }

    /// The builds of this builder.
    #[expect(clippy::too_many_arguments, reason = "the contract's arguments")]
    async fn builds(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            name = "where",
            desc = "Which builds of this builder; all of them if left out."
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
        build::load_connection(ctx, Some(self), filter, order_by, page).await
    }
}

plain_object! {
    [] Builder, {
        "id" => id,
        "builderid" => builderid,
        "name" => name,
        "description" => description,
        "descriptionFormat" => description_format,
        "descriptionHtml" => description_html,
        "projectid" => projectid,
    }
}

impl ConnectionNode for Builder {
    type Row = Model;
    type Field = BuilderField;

    fn value(&self, field: BuilderField) -> Option<Value> {
        match field {
            // The store orders by the id in place of a list.
            BuilderField::Builderid | BuilderField::Masterids | BuilderField::Tags => {
                Some(Value::Int(self.0.id.0.into()))
            }
            BuilderField::Name => Some(Value::Text(self.0.name.clone())),
            BuilderField::Description => self.0.description.clone().map(Value::Text),
            BuilderField::DescriptionFormat => self.0.description_format.clone().map(Value::Text),
            BuilderField::DescriptionHtml => self.0.description_html.clone().map(Value::Text),
            BuilderField::Projectid => self.0.projectid.map(|id| Value::Int(id.into())),
        }
    }
}

/// A page of all builders.
pub(crate) async fn load_connection(
    ctx: &Context<'_>,
    filter: Option<Box<BuilderFilter>>,
    order: Option<Vec<BuilderOrder>>,
    page: PageInput,
) -> Result<Plain<NodeConnection<Builder>>> {
    let order = read_order(order, BuilderField::Builderid);
    let args = PageArgs {
        filter: read_where(filter)?,
        range: page.range(&order)?,
        order,
    };
    let db = ctx.loaders().db();
    let rows = ctx.loaders().page(builder::page(db, &args));
    NodeConnection::load(ctx, &args, rows, builder::count(db, &args.filter)).await
}
