//! Reading the events of the change feed in order.

use std::sync::Arc;

use sea_orm::{
    DbBackend, FromQueryResult, JoinType, QueryOrder, QueryResult, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{ExprTrait, SelectStatement},
};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::Result,
        event::EventKind,
        id::{BuilderId, Position},
    },
    store::{
        build,
        db::{bounded_rows::BoundedRows, database::Db},
        event::{Entity, Event, Model, Relation},
        event_bookmark::{mark, of_row},
        position::position_expr,
        query::rows,
    },
};

/// Events read together.
#[derive(Clone, Debug)]
pub(crate) struct EventBatch {
    /// The readable ones, in order.
    pub(crate) events: Vec<Event>,
    /// The last row's, readable or not; `None` if there are none.
    pub(crate) last: Option<Bookmark>,
    /// The feed has the event of the given bookmark, and none is missing between it and `last`.
    pub(crate) is_whole: bool,
    /// The feed does not even reach to the given bookmark.
    pub(crate) is_behind: bool,
    /// More was to be read, and would have been too many bytes.
    pub(crate) is_cut: bool,
}

/// About `limit` events behind a bookmark, in order; fewer, but at least one, where they come to
/// more than `max_bytes`.
pub(crate) async fn after(
    db: &Db,
    from: Bookmark,
    limit: u64,
    max_bytes: usize,
) -> Result<EventBatch> {
    let statement = db.backend().build(&select(db.backend(), from, limit));
    let reader = db.reader().await?;
    // The first is usually the bookmark's own.
    let read = reader.read_bounded(statement, 2, max_bytes, read_row);
    let BoundedRows { mut rows, is_cut } = read.await?;
    let first = rows.first().map(|(bookmark, _)| *bookmark);
    let is_same = match first {
        Some(first) if first.position == from.position => {
            rows.remove(0);
            first == from
        }
        // It was pruned since; whether anything behind it was too is seen below.
        Some(_) => true,
        None => from.position == Position::default(),
    };
    let last = rows.last().map(|(bookmark, _)| *bookmark);
    let count = i64::try_from(rows.len());
    // Positions have no gaps, so n rows reach n positions further.
    let reaches = |last: Bookmark| last.position.0 - from.position.0;
    Ok(EventBatch {
        events: rows.into_iter().filter_map(|(_, event)| event).collect(),
        is_whole: is_same && last.is_none_or(|last| count == Ok(reaches(last))),
        last,
        is_behind: first.is_none() && !is_same,
        is_cut,
    })
}

/// A row's bookmark, the event if it is readable, and the bytes that it takes.
fn read_row(row: &QueryResult) -> Result<((Bookmark, Option<Event>), usize), DbErr> {
    let event = rows::if_readable(PositionedRow::from_query_result(row, "")).map(Event::from);
    let bytes = event.as_ref().map_or(0, |event| event.step.event_bytes());
    Ok(((of_row(row)?, event), bytes))
}

/// The rows of the events behind a bookmark.
fn select(backend: DbBackend, from: Bookmark, limit: u64) -> SelectStatement {
    let column = position_expr(backend);
    Entity::find()
        .expr_as(column.clone(), "position")
        .column(build::Column::Builderid)
        // An outer join, as an event may be of a build that has no row.
        .join(JoinType::LeftJoin, Relation::Build.def())
        // With the event of the bookmark itself, which shows that this is still the same feed.
        .filter(column.clone().gte(from.position))
        .order_by_asc(column)
        .limit(limit + 1)
        .into_query()
}

/// An event with its position and its builder.
#[derive(FromQueryResult)]
struct PositionedRow {
    #[sea_orm(nested)]
    event: Model,
    position: Position,
    builderid: Option<BuilderId>,
}

impl From<PositionedRow> for Event {
    fn from(row: PositionedRow) -> Self {
        Self {
            change: row.event.id,
            bookmark: Bookmark {
                position: row.position,
                mark: mark(&row.event),
            },
            kind: EventKind::from_code(row.event.kind),
            occurred_at: row.event.occurred_at,
            builderid: row.builderid,
            step: Arc::new(row.event.into()),
        }
    }
}
