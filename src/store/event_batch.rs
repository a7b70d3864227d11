//! Reading the events of the change feed in order.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use migration::{feed::GAP, noun::Noun};
use sea_orm::{
    QueryOrder, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{ExprTrait, Func, SelectStatement},
};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::Result,
        event::EventKind,
        id::{BuilderId, Position},
    },
    store::{
        build, builder,
        db::{
            bounded_rows::{BoundedRows, Bounds},
            database::Db,
            dialect::SqlDialect,
        },
        event::{self, COLUMNS, Column, Entity, Event, EventObject, Model},
        event_bookmark::of_event,
        position::position_expr,
        row::{FromRow, Row},
        step,
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
    let BoundedRows { mut rows, is_cut } = read_rows(db, from, limit, max_bytes).await?;
    let first = rows.first().map(|row| row.bookmark);
    let is_same = match first {
        Some(first) if first.position == from.position => {
            rows.remove(0);
            first == from
        }
        // It was pruned since; whether anything behind it was too is seen below.
        Some(_) => true,
        None => from.position == Position::default(),
    };
    let last = rows.last().map(|row| row.bookmark);
    let count = i64::try_from(rows.len());
    // Positions have no gaps, so n rows reach n positions further.
    let reaches = |last: Bookmark| last.position.0 - from.position.0;
    let mut events: Vec<Event> = rows.into_iter().filter_map(|row| row.event).collect();
    read_builders(db, &mut events).await?;
    Ok(EventBatch {
        events,
        is_whole: is_same && last.is_none_or(|last| count == Ok(reaches(last))),
        last,
        is_behind: first.is_none() && !is_same,
        is_cut,
    })
}

/// A row as it was read.
#[derive(Debug)]
struct EventRow {
    bookmark: Bookmark,
    /// `None` where it cannot be read.
    event: Option<Event>,
    is_of_log: bool,
}

/// The rows from a bookmark's own on.
async fn read_rows(
    db: &Db,
    from: Bookmark,
    limit: u64,
    max_bytes: usize,
) -> Result<BoundedRows<EventRow>> {
    loop {
        let dialect = db.dialect();
        let statement = db.backend().build(&select(dialect, from, limit));
        let reader = db.reader().await?;
        // The first is usually the bookmark's own.
        let bounds = Bounds {
            least: 2,
            max_bytes,
        };
        let batch = reader.read_bounded(statement, bounds, read_row).await?;
        // `attach` has just added the columns: without them, the events would be lost.
        if dialect.has_log_events || !batch.rows.iter().any(|row| row.is_of_log) {
            return Ok(batch);
        }
        db.has_log_events.store(true, Ordering::Relaxed);
    }
}

/// Reads the builders that the events are about. Here, since a subscriber whose event could not
/// show them later would have missed it.
async fn read_builders(db: &Db, events: &mut [Event]) -> Result<()> {
    let ids = events.iter().filter_map(|event| match &event.object {
        EventObject::Builder { id, .. } => Some(*id),
        _ => None,
    });
    let ids: Vec<BuilderId> = ids.collect::<HashSet<_>>().into_iter().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let builders = builder::by_ids(db, &ids).await?.into_iter();
    let builders: HashMap<_, _> = builders.map(|(id, row)| (id, Arc::new(row))).collect();
    for event in events {
        if let EventObject::Builder { id, row } = &mut event.object {
            *row = builders.get(id).cloned();
        }
    }
    Ok(())
}

/// A row, and the bytes that its event takes.
fn read_row(row: Row<'_>) -> Result<(EventRow, usize), DbErr> {
    let model = Model::from_row(row);
    let is_log = |event: &Model| event.noun == Noun::Log.code() && event.kind != GAP;
    let is_of_log = model.as_ref().is_ok_and(is_log);
    let bookmark = of_event(row, model.as_ref().ok())?;
    let event = model.and_then(|model| read_event(row, model, bookmark));
    let event = row.if_readable(event)?;
    let bytes = event.as_ref().map_or(0, |event| event.object.event_bytes());
    let row = EventRow {
        bookmark,
        event,
        is_of_log,
    };
    Ok((row, bytes))
}

fn read_event(row: Row<'_>, mut event: Model, bookmark: Bookmark) -> Result<Event, DbErr> {
    event.buildid = row.get(BUILD)?;
    event.locks_duration_s = row.get(LOCKS)?;
    Ok(Event {
        change: event.id,
        bookmark,
        kind: EventKind::from_code(event.kind),
        occurred_at: event.occurred_at,
        builderid: row.get(BUILDER)?,
        object: event.object()?,
    })
}

/// Where the build is in a row: a log's event does not carry it.
const BUILD: usize = COLUMNS + 1;
/// Where the builder is: nor does a step's.
const BUILDER: usize = COLUMNS + 2;
/// Where the lock waits are: a trigger from before Buildbot counted them does not carry them.
const LOCKS: usize = COLUMNS + 3;

/// The rows of the events behind a bookmark.
fn select(dialect: SqlDialect, from: Bookmark, limit: u64) -> SelectStatement {
    let column = position_expr(dialect.backend);
    let event = |column| Expr::col((Entity, column));
    let build = |column| Expr::col((build::Entity, column));
    let step = |column| Expr::col((step::Entity, column));
    let builder = Func::coalesce([event(Column::Builderid), build(build::Column::Builderid)]);
    let buildid = || Func::coalesce([event(Column::Buildid), step(step::Column::Buildid)]);
    let mut locks = event(Column::LocksDurationS);
    if dialect.has_lock_durations {
        locks = Func::coalesce([locks, build(build::Column::LocksDurationS)]).into();
    }
    // The step of a log alone: nobody pays for others.
    let of_log = event(Column::Noun).eq(Noun::Log.code());
    let is_step = of_log.and(step(step::Column::Id).eq(event(Column::Stepid)));
    let is_build = build(build::Column::Id).eq(buildid());
    let mut select = event::find(dialect)
        .expr_as(column.clone(), "position")
        .expr_as(buildid(), "build")
        .expr_as(builder, "builder")
        .expr_as(locks, "locks")
        // With the event of the bookmark itself, which shows that this is still the same feed.
        .filter(column.clone().gte(from.position))
        .order_by_asc(column)
        .limit(limit + 1)
        .into_query();
    // Outer joins, as an event may be of a step or build that has no row.
    select.left_join(step::Entity, is_step);
    select.left_join(build::Entity, is_build);
    select
}
