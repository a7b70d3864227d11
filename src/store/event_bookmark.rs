//! The bookmarks of events, which cursors carry and every reader of the feed keeps.

use std::{borrow::Cow, collections::HashMap};

use migration::{feed::GAP, noun::Noun};
use ring::digest::{Context, SHA256};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, QueryOrder, QuerySelect, QueryTrait, Select,
    entity::prelude::*,
    sea_query::{ExprTrait, SelectStatement},
};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::Result,
        id::{ChangeId, Position},
    },
    store::{
        db::{database::Db, dialect::SqlDialect},
        event::{self, COLUMNS, Column, Entity, Model},
        position::position_expr,
        query::rows::read_rows,
        row::{FromRow, Row},
        unchecked_int::UncheckedInt,
    },
};

/// The newest event's; that before all where there is none.
pub(crate) async fn newest(db: &Db) -> Result<Bookmark> {
    let newest = read_one(db, newest_event(db.dialect())).await?;
    Ok(newest.unwrap_or_default())
}

/// The same, as a transaction sees it.
pub(crate) async fn newest_in(dialect: SqlDialect, txn: &impl ConnectionTrait) -> Result<Bookmark> {
    let newest = with_position(dialect.backend, newest_event(dialect));
    let statement = dialect.backend.build(&newest);
    let row = txn.query_one_raw(statement).await?;
    let bookmark = row.map(|row| of_row(Row::Pooled(&row)));
    Ok(bookmark.transpose()?.unwrap_or_default())
}

/// The one at a position, if its event is there.
pub(crate) async fn at(db: &Db, position: Position) -> Result<Option<Bookmark>> {
    let event = event::find(db.dialect()).filter(position_expr(db.backend()).eq(position));
    read_one(db, event).await
}

/// Those of these changes; `None` of one that has no position yet. Changes that are not, or no
/// longer, in the feed are left out.
pub(crate) async fn of_changes(
    db: &Db,
    mut changes: Vec<ChangeId>,
) -> Result<HashMap<ChangeId, Option<Bookmark>>> {
    // The last one again and again, so that there are few texts of statements to compile.
    if let Some(last) = changes.last().copied() {
        changes.resize(changes.len().next_power_of_two(), last);
    }
    let position = position_expr(db.backend());
    let events = event::find(db.dialect())
        .filter(Column::Id.is_in(changes))
        .expr_as(position, "position");
    let read = |row: Row<'_>| {
        let position: Option<Position> = row.get(COLUMNS)?;
        let bookmark = position.map(|_| of_row(row)).transpose()?;
        Ok(((row.get(0)?, bookmark), 0))
    };
    let found = read_rows(db, &events.into_query(), read).await?;
    Ok(found.into_iter().collect())
}

fn newest_event(dialect: SqlDialect) -> Select<Entity> {
    let position = position_expr(dialect.backend);
    event::find(dialect)
        // On PostgreSQL a change without a position would come first.
        .filter(position.clone().is_not_null())
        .order_by_desc(position)
}

async fn read_one(db: &Db, events: Select<Entity>) -> Result<Option<Bookmark>> {
    let read = |row: Row<'_>| Ok((of_row(row)?, 0));
    let found = read_rows(db, &with_position(db.backend(), events), read).await?;
    Ok(found.first().copied())
}

/// The first of these events, with its position behind its columns.
fn with_position(backend: DbBackend, events: Select<Entity>) -> SelectStatement {
    let position = position_expr(backend);
    events.expr_as(position, "position").limit(1).into_query()
}

/// The bookmark of a row of events, read with its position.
fn of_row(row: Row<'_>) -> Result<Bookmark, DbErr> {
    of_event(row, row.if_readable(Model::from_row(row))?.as_ref())
}

/// The same of a row whose event was read already; `None` where it cannot be.
pub(crate) fn of_event(row: Row<'_>, event: Option<&Model>) -> Result<Bookmark, DbErr> {
    Ok(Bookmark {
        position: row.get(COLUMNS)?,
        mark: event.and_then(mark).unwrap_or_default(),
    })
}

/// A hash of everything in an event, so that two events at one position hardly ever share it;
/// `None` for one that cannot be read. A change of this function expires every cursor.
fn mark(event: &Model) -> Option<u32> {
    let mut hash = Context::new(&SHA256);
    let (numbers, texts) = match Noun::from_code(event.noun) {
        Some(Noun::Step) if event.kind != GAP => parts_of_step(event)?,
        Some(Noun::Log) if event.kind != GAP => parts_of_log(event)?,
        _ => parts_of_other(event),
    };
    for number in numbers {
        hash.update(&number.to_be_bytes());
    }
    for text in texts {
        // With its length, so that no two sequences of texts read alike.
        hash.update(&(text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let hash = hash.finish();
    let start = hash.as_ref().first_chunk();
    Some(u32::from_be_bytes(start.copied()?))
}

type Parts<'a> = (Vec<i64>, Vec<Cow<'a, str>>);

/// As they were hashed when only steps had events: older cursors stay good.
fn parts_of_step(event: &Model) -> Option<Parts<'_>> {
    let numbers = vec![
        event.id.0,
        event.kind.into(),
        event.occurred_at,
        event.stepid?.0.into(),
        event.number?.into(),
        event.buildid?.0.into(),
    ];
    let mut texts = unchecked(event);
    texts.push(text_of(Some(event.hidden.as_ref()?)));
    let of_step = [&event.name, &event.state_string, &event.urls_json];
    for text in of_step {
        texts.push(text.as_deref()?.into());
    }
    Some((numbers, texts))
}

fn parts_of_log(event: &Model) -> Option<Parts<'_>> {
    let numbers = vec![
        event.id.0,
        event.kind.into(),
        event.occurred_at,
        event.logid?.0.into(),
        event.stepid?.0.into(),
        event.num_lines?.into(),
    ];
    let mut texts = vec![text_of(Some(event.complete.as_ref()?))];
    for text in [&event.name, &event.slug, &event.letter] {
        texts.push(text.as_deref()?.into());
    }
    Some((numbers, texts))
}

fn parts_of_other(event: &Model) -> Parts<'_> {
    let optional = [
        event.builderid.map(|id| id.0),
        event.buildid.map(|id| id.0),
        event.number,
        event.buildrequestid,
        event.workerid,
        event.masterid,
        event.locks_duration_s,
    ];
    let numbers = [
        event.id.0,
        event.noun.into(),
        event.kind.into(),
        event.occurred_at,
    ];
    // One more than any of a column tells null from each of them.
    let optional = optional.map(|n| n.map_or(i64::MAX, i64::from));
    let numbers = numbers.into_iter().chain(optional).collect();
    let mut texts = unchecked(event);
    texts.push(event.state_string.as_deref().unwrap_or_default().into());
    (numbers, texts)
}

fn unchecked(event: &Model) -> Vec<Cow<'_, str>> {
    let columns = [
        &event.started_at,
        &event.locks_acquired_at,
        &event.complete_at,
        &event.results,
    ];
    columns.map(|value| text_of(value.as_ref())).to_vec()
}

fn text_of(value: Option<&UncheckedInt>) -> Cow<'_, str> {
    match value {
        None => "".into(),
        Some(UncheckedInt::Int(number)) => number.to_string().into(),
        Some(UncheckedInt::Invalid(text)) => (&**text).into(),
    }
}
