//! Lists in pages, as Relay specifies them: edges with cursors, nodes, page info, and a count on
//! demand.

use std::{fmt::Debug, sync::Arc};

use async_graphql::{Context, Object, OutputType, SimpleObject};
use futures_util::future::try_join;

use crate::{
    domain::{
        error::Result,
        filter::{Order, Value},
        keyset::{KeysetKey, encode_cursor},
        page::{PageArgs, Rows},
    },
    graphql::schema::{
        build::Build,
        builder::Builder,
        plain::{Plain, PlainObject, plain_object},
        step::Step,
        text::Text,
    },
};

/// Where a page lies in its list.
#[derive(SimpleObject)]
pub(crate) struct PageInfo {
    /// There are more behind this page.
    has_next_page: bool,
    /// There are more before this page.
    has_previous_page: bool,
    /// The cursor of the first edge.
    start_cursor: Option<Text<String>>,
    /// The cursor of the last edge.
    end_cursor: Option<Text<String>>,
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
    cursor: Text<String>,
    /// The row.
    node: T,
}

/// An object that a connection holds.
pub(crate) trait ConnectionNode: PlainObject + Clone + From<Arc<Self::Row>> {
    /// The row behind the object.
    type Row;
    /// What its connections are ordered by.
    type Field: Copy + Debug + Send + Sync;

    /// The value of a field, as the database orders by it.
    fn value(&self, field: Self::Field) -> Option<Value>;
}

/// A page of a list.
pub(crate) struct NodeConnection<T: ConnectionNode> {
    order: Order<T::Field>,
    rows: Plain<Vec<T>>,
    has_next: bool,
    has_previous: bool,
    /// 0 if the count is not selected.
    total: u64,
}

impl<T: ConnectionNode> NodeConnection<T> {
    /// Loads what the selection asks for: the rows, the count, or both at once.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        args: &PageArgs<T::Field>,
        rows: impl Future<Output = Result<Rows<Arc<T::Row>>>>,
        count: impl Future<Output = Result<u64>>,
    ) -> Result<Plain<Self>> {
        // Looked up in advance: what is not selected costs no statement.
        let selection = ctx.look_ahead();
        let wants_count = selection.field("totalCount").exists();
        let wants_rows = ["edges", "nodes", "pageInfo"]
            .iter()
            .any(|field| selection.field(field).exists());
        let rows = async {
            if wants_rows {
                rows.await
            } else {
                Ok(Rows::default())
            }
        };
        let count = async { if wants_count { count.await } else { Ok(0) } };
        let (rows, total) = try_join(rows, count).await?;
        let page = args.range.page(rows.map())?;
        Ok(Plain(Self {
            order: args.order.clone(),
            rows: Plain(page.rows),
            has_next: page.has_next,
            has_previous: page.has_previous,
            total,
        }))
    }

    fn cursor(&self, row: &T) -> Text<String> {
        let key: KeysetKey = self
            .order
            .iter()
            .map(|(field, _)| row.value(*field))
            .collect();
        Text(encode_cursor(&self.order, &key))
    }
}

/// A page of a list.
#[Object(
    concrete(name = "BuilderConnection", params(Builder)),
    concrete(name = "BuildConnection", params(Build)),
    concrete(name = "StepConnection", params(Step))
)]
impl<T: ConnectionNode> NodeConnection<T>
where
    Edge<T>: OutputType,
{
    /// The rows with their cursors.
    async fn edges(&self) -> Plain<Vec<Edge<T>>> {
        let edges = self.rows.0.iter().map(|row| Edge {
            cursor: self.cursor(row),
            node: row.clone(),
        });
        Plain(edges.collect())
    }

    /// The rows alone.
    async fn nodes(&self) -> &Plain<Vec<T>> {
        &self.rows
    }

    /// Where this page lies.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.has_next,
            has_previous_page: self.has_previous,
            start_cursor: self.rows.0.first().map(|row| self.cursor(row)),
            end_cursor: self.rows.0.last().map(|row| self.cursor(row)),
        }
    }

    /// Counted only when asked for.
    async fn total_count(&self) -> i32 {
        i32::try_from(self.total).unwrap_or(i32::MAX)
    }
}

plain_object! {
    [] PageInfo, {
        "hasNextPage" => has_next_page,
        "hasPreviousPage" => has_previous_page,
        "startCursor" => start_cursor,
        "endCursor" => end_cursor,
    }
}

plain_object! {
    [T: ConnectionNode] Edge<T> where [Self], { "cursor" => cursor, "node" => node: T }
}

plain_object! {
    [T: ConnectionNode] NodeConnection<T> where [Self, Edge<T>], {
        "edges" => edges: Vec<Edge<T>>,
        "nodes" => nodes: [T],
        "pageInfo" => page_info: PageInfo,
        "totalCount" => total_count,
    }
}
