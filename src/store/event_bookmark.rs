//! The bookmarks of events, which cursors carry and every reader of the feed keeps.

use ring::digest::{Context, SHA256};
use sea_orm::{
    ConnectionTrait, DbErr, FromQueryResult, QueryOrder, QueryResult, QuerySelect, QueryTrait,
    Select, entity::prelude::*, sea_query::ExprTrait,
};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::{Error, Result},
        id::{ChangeId, Position},
    },
    store::{
        db::database::Db,
        event::{Column, Entity, Model},
        position::position_expr,
        unchecked_int::UncheckedInt,
    },
};

/// The newest event's; that before all where there is none.
pub(crate) async fn newest(db: &impl ConnectionTrait) -> Result<Bookmark> {
    let position = position_expr(db.get_database_backend());
    let newest = Entity::find()
        // On PostgreSQL a change without a position would come first.
        .filter(position.clone().is_not_null())
        .order_by_desc(position);
    let row = query_one(db, newest).await?;
    Ok(row.as_ref().map(of_row).transpose()?.unwrap_or_default())
}

/// The one at a position, if its event is there.
pub(crate) async fn at(db: &Db, position: Position) -> Result<Option<Bookmark>> {
    let event = Entity::find().filter(position_expr(db.backend()).eq(position));
    let row = query_one(&db.reader().await?, event).await?;
    Ok(row.as_ref().map(of_row).transpose()?)
}

/// The one of a change; `None` until it has a position.
///
/// # Errors
/// `FeedDetached` where the change is not, or no longer, in the feed.
pub(crate) async fn of_change(db: &Db, change: ChangeId) -> Result<Option<Bookmark>> {
    let event = Entity::find().filter(Column::Id.eq(change));
    let row = query_one(&db.reader().await?, event).await?;
    let row = row.ok_or(Error::FeedDetached)?;
    let position: Option<Position> = row.try_get("", "position")?;
    Ok(position.map(|_| of_row(&row)).transpose()?)
}

async fn query_one(
    db: &impl ConnectionTrait,
    events: Select<Entity>,
) -> Result<Option<QueryResult>> {
    let backend = db.get_database_backend();
    let query = events.expr_as(position_expr(backend), "position").limit(1);
    let statement = backend.build(&query.into_query());
    Ok(db.query_one_raw(statement).await?)
}

/// The bookmark of a row of events, read with its position.
pub(crate) fn of_row(row: &QueryResult) -> Result<Bookmark, DbErr> {
    Ok(Bookmark {
        position: row.try_get("", "position")?,
        mark: Model::from_query_result(row, "").map_or(0, |event| mark(&event)),
    })
}

/// A hash of everything in an event, so that two events at one position hardly ever share it. A
/// change of this function expires every cursor.
pub(crate) fn mark(event: &Model) -> u32 {
    let mut hash = Context::new(&SHA256);
    let numbers = [
        event.id.0,
        event.kind.into(),
        event.occurred_at,
        event.stepid.0.into(),
        event.number.into(),
        event.buildid.0.into(),
    ];
    for number in numbers {
        hash.update(&number.to_be_bytes());
    }
    let unchecked = [
        event.started_at.as_ref(),
        event.locks_acquired_at.as_ref(),
        event.complete_at.as_ref(),
        event.results.as_ref(),
        Some(&event.hidden),
    ];
    let unchecked = unchecked.map(|value| match value {
        None => String::new(),
        Some(UncheckedInt::Int(number)) => number.to_string(),
        Some(UncheckedInt::Invalid(text)) => text.to_string(),
    });
    let texts = [&event.name, &event.state_string, &event.urls_json];
    for text in unchecked.iter().chain(texts) {
        // With its length, so that no two sequences of texts read alike.
        hash.update(&(text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let hash = hash.finish();
    let start = hash.as_ref().first_chunk();
    u32::from_be_bytes(start.copied().unwrap_or_default())
}
