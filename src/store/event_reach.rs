//! How far the change feed reaches back, and dropping its oldest events.

use sea_orm::{QueryOrder, QuerySelect, Statement, entity::prelude::*, sea_query::ExprTrait};

use crate::{
    domain::{error::Result, id::Position},
    store::{
        db::database::Db,
        event::{Column, Entity},
        position::{position_column, position_expr},
        row::Row,
    },
};

/// The positions of the feed that are still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FeedReach {
    /// The position before the oldest event's: a reader at it has missed nothing.
    pub(crate) floor: Position,
    /// The newest event's.
    pub(crate) newest: Position,
}

/// How far the feed reaches now.
pub(crate) async fn find(db: &Db) -> Result<FeedReach> {
    let backend = db.backend();
    let position = position_column(backend);
    // Two look-ups at the ends of the key; one query for both ends would read the whole table.
    let statement = Statement::from_string(
        backend,
        format!(
            "SELECT (SELECT MIN({position}) FROM graphql_events) AS oldest, \
             (SELECT MAX({position}) FROM graphql_events) AS newest"
        ),
    );
    let read = |row: Row<'_>| Ok(((row.get(0)?, row.get(1)?), 0));
    let ends = db.reader().await?.read_all(statement, read).await?;
    let (oldest, newest): (Option<i64>, Option<i64>) = ends.first().copied().unwrap_or_default();
    Ok(FeedReach {
        floor: Position(oldest.map_or(0, |id| id - 1)),
        newest: Position(newest.unwrap_or(0)),
    })
}

/// Drops, of the oldest `batch` events, those up to a position or before a time, and returns how
/// many. The newest event always stays, so that the feed knows where it is. What to drop is found
/// first, so that writers wait only for the deletion.
pub(crate) async fn prune(db: &Db, up_to: Position, before: i64, batch: u64) -> Result<u64> {
    let newest = find(db).await?.newest;
    let column = position_expr(db.backend());
    let oldest: Vec<(i64, i64)> = Entity::find()
        .select_only()
        .expr_as(column.clone(), "position")
        .column(Column::OccurredAt)
        .filter(column.clone().is_not_null())
        .order_by_asc(column.clone())
        .limit(batch)
        .into_tuple()
        .all(&db.reader().await?)
        .await?;
    // A run from the old end only: events dated by a clock that jumped must not leave a hole.
    let Some((last, _)) = oldest
        .into_iter()
        .take_while(|(position, at)| *position < newest.0 && (*position <= up_to.0 || *at < before))
        .last()
    else {
        return Ok(0);
    };
    let done = Entity::delete_many()
        .filter(column.lte(last))
        .exec(&db.writer)
        .await?;
    Ok(done.rows_affected)
}
