//! Counts.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select, sea_query::Expr,
};

use crate::{
    domain::{error::Result, filter::Filter},
    store::{
        db::database::Db,
        query::{
            field::ListedEntity,
            filter::condition,
            rows::{MAX_BINDS, read_rows_once},
            selection::Parent,
        },
        row::{ColumnValue, Row},
    },
};

/// How many rows of the whole table pass the filter.
pub(crate) async fn count<E: ListedEntity>(db: &Db, filter: &Filter<E::Field>) -> Result<u64> {
    count_rows(db, E::find().filter(condition(db.dialect(), filter))).await
}

/// How many rows a query has.
pub(crate) async fn count_rows<E: EntityTrait>(db: &Db, select: Select<E>) -> Result<u64> {
    let select = select
        .select_only()
        .expr_as(Expr::cust("COUNT(*)"), "number");
    let read = |row: Row<'_>| Ok((number(row, 0)?, 0));
    // SQLite may count a whole table in one instruction, which no budget ends.
    let rows = read_rows_once(db, select.into_query(), read).await?;
    Ok(rows.into_iter().sum())
}

/// How many rows of each of these parents pass the filter; parents without any are left out.
pub(crate) async fn counts_of<E: ListedEntity, P: Parent + ColumnValue>(
    db: &Db,
    filter: &Filter<E::Field>,
    parent: E::Column,
    parents: &[P],
) -> Result<HashMap<P, u64>> {
    let mut counts = HashMap::with_capacity(parents.len());
    // The other half is for the values of the filter.
    for parents in parents.chunks(MAX_BINDS / 2) {
        let select = E::find()
            .select_only()
            .column(parent)
            .expr_as(Expr::cust("COUNT(*)"), "number")
            .filter(parent.is_in(parents.iter().copied()))
            .filter(condition(db.dialect(), filter))
            .group_by(parent);
        let read = |row: Row<'_>| Ok(((row.get::<P>(0)?, number(row, 1)?), 0));
        counts.extend(read_rows_once(db, select.into_query(), read).await?);
    }
    Ok(counts)
}

/// A row's count, in this column.
fn number(row: Row<'_>, place: usize) -> Result<u64, DbErr> {
    let number: i64 = row.get(place)?;
    Ok(u64::try_from(number).unwrap_or_default())
}
