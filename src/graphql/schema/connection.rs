//! Lists in pages, after Relay's specification: edges with cursors, nodes, page info, and a count on demand.

use async_graphql::{Context, Object, OutputType, SimpleObject};
use futures_util::future::try_join;

use crate::{
    domain::{
        build::BuildField,
        builder::BuilderField,
        error::Result,
        filter::{Order, Value},
        keyset::{KeysetKey, encode_cursor},
        page::{Page, PageArgs, Rows},
        step::StepField,
    },
    graphql::{
        execute::context::ContextExt,
        schema::{build::Build, builder::Builder, step::Step},
    },
    store::unchecked_int::UncheckedInt,
};

/// Where a page lies in its list.
#[derive(SimpleObject)]
pub(crate) struct PageInfo {
    /// There are more behind this page.
    has_next_page: bool,
    /// There are more before this page.
    has_previous_page: bool,
    /// The cursor of the first edge.
    start_cursor: Option<String>,
    /// The cursor of the last edge.
    end_cursor: Option<String>,
}

/// The rows of a page of a whole table.
pub(crate) async fn rows<M, T: From<M>>(
    ctx: &Context<'_>,
    page: impl Future<Output = Result<Rows<M>>>,
) -> Result<Rows<T>> {
    let read = ctx.loaders().budget().read(page, |read| read.rows.len());
    Ok(read.await?.map())
}

/// A row of a list, with its cursor.
#[derive(SimpleObject)]
#[graphql(
    concrete(name = "BuilderEdge", params(Builder)),
    concrete(name = "BuildEdge", params(Build)),
    concrete(name = "StepEdge", params(Step))
)]
pub(crate) struct Edge<T: OutputType> {
    /// The row's place, for `after` and `before`. Good for lists in the same order.
    cursor: String,
    /// The row.
    node: T,
}

/// A row that lists hold.
pub(crate) trait ConnectionNode: OutputType + Clone {
    /// What its lists are ordered by.
    type Field: Copy + std::fmt::Debug + Send + Sync;

    /// Its value of a field, as the database orders by it.
    fn value(&self, field: Self::Field) -> Option<Value>;
}

/// A page of a list.
pub(crate) struct Connection<T: ConnectionNode> {
    order: Order<T::Field>,
    page: Page<T>,
    /// Counted before the page is made, and only where asked for.
    total: u64,
}

impl<T: ConnectionNode> Connection<T> {
    /// Makes the page of what is asked for: rows, a count, or both at once.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        args: &PageArgs<T::Field>,
        rows: impl Future<Output = Result<Rows<T>>>,
        count: impl Future<Output = Result<u64>>,
    ) -> Result<Self> {
        let asked = ctx.look_ahead();
        let wants_count = asked.field("totalCount").exists();
        let wants_rows = ["edges", "nodes", "pageInfo"]
            .iter()
            .any(|field| asked.field(field).exists());
        let rows = async {
            if wants_rows {
                rows.await
            } else {
                Ok(Rows::default())
            }
        };
        let count = async { if wants_count { count.await } else { Ok(0) } };
        let (rows, total) = try_join(rows, count).await?;
        Ok(Self {
            order: args.order.clone(),
            page: args.range.page(rows)?,
            total,
        })
    }

    fn cursor(&self, row: &T) -> String {
        let key: KeysetKey = self
            .order
            .iter()
            .map(|(field, _)| row.value(*field))
            .collect();
        encode_cursor(&self.order, &key)
    }
}

/// A page of a list.
#[Object(
    concrete(name = "BuilderConnection", params(Builder)),
    concrete(name = "BuildConnection", params(Build)),
    concrete(name = "StepConnection", params(Step))
)]
impl<T: ConnectionNode> Connection<T>
where
    Edge<T>: OutputType,
{
    /// The rows with their cursors.
    async fn edges(&self) -> Vec<Edge<T>> {
        self.page
            .rows
            .iter()
            .map(|row| Edge {
                cursor: self.cursor(row),
                node: row.clone(),
            })
            .collect()
    }

    /// The rows alone.
    async fn nodes(&self) -> &[T] {
        &self.page.rows
    }

    /// Where this page lies.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.page.has_next,
            has_previous_page: self.page.has_previous,
            start_cursor: self.page.rows.first().map(|row| self.cursor(row)),
            end_cursor: self.page.rows.last().map(|row| self.cursor(row)),
        }
    }

    /// Counted only when asked for.
    async fn total_count(&self) -> i32 {
        i32::try_from(self.total).unwrap_or(i32::MAX)
    }
}

impl ConnectionNode for Builder {
    type Field = BuilderField;

    fn value(&self, field: BuilderField) -> Option<Value> {
        match field {
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

impl ConnectionNode for Build {
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

impl ConnectionNode for Step {
    type Field = StepField;

    fn value(&self, field: StepField) -> Option<Value> {
        let int = |n: i32| Some(Value::Int(n.into()));
        let row = &self.0;
        match field {
            StepField::Stepid => int(row.id.0),
            StepField::Buildid => int(row.buildid.0),
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
