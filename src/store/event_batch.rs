//! Reading the events of the change feed in order.

use std::sync::Arc;

use sea_orm::{
    FromQueryResult, JoinType, QueryOrder, QuerySelect, QueryTrait, entity::prelude::*,
    sea_query::ExprTrait,
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
        db::database::Db,
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
}

/// About `limit` events behind a bookmark, in order.
pub(crate) async fn after(db: &Db, from: Bookmark, limit: u64) -> Result<EventBatch> {
    let column = position_expr(db.backend());
    let query = Entity::find()
        .expr_as(column.clone(), "position")
        .column(build::Column::Builderid)
        // An outer join, as an event may be of a build that has no row.
        .join(JoinType::LeftJoin, Relation::Build.def())
        // With the event of the bookmark itself, which shows that this is still the same feed.
        .filter(column.clone().gte(from.position))
        .order_by_asc(column)
        .limit(limit + 1)
        .into_query();
    let all = rows::query(db, query).await?;
    let first = all.first().map(of_row).transpose()?;
    let (is_same, rows) = match first {
        Some(first) if first.position == from.position => (first == from, &all[1..]),
        // It was pruned since; whether anything behind it was too is seen below.
        Some(_) => (true, &all[..]),
        None => (from.position == Position::default(), &all[..]),
    };
    let is_behind = first.is_none() && !is_same;
    let last = rows.last().map(of_row).transpose()?;
    let readable = rows
        .iter()
        .filter_map(|row| rows::if_readable(PositionedRow::from_query_result(row, "")));
    // Positions have no gaps, so n rows reach n positions further.
    let reaches = |last: Bookmark| last.position.0 - from.position.0;
    Ok(EventBatch {
        events: readable.map(Event::from).collect(),
        is_whole: is_same && last.is_none_or(|last| i64::try_from(rows.len()) == Ok(reaches(last))),
        last,
        is_behind,
    })
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
