//! Counts.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, IdenStatic, QueryFilter, QueryResult, QuerySelect, QueryTrait,
    Select, TryGetable, sea_query::Expr,
};

use crate::{
    domain::{error::Result, filter::Filter},
    store::{
        db::database::Db,
        query::{
            field::ListedEntity,
            filter::condition,
            rows::{MAX_BINDS, read_rows},
            selection::Parent,
        },
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
    let rows = read_rows(db, select.into_query(), |row| Ok((number(row)?, 0))).await?;
    Ok(rows.into_iter().sum())
}

/// How many rows of each of these parents pass the filter; parents without any are left out.
pub(crate) async fn counts_of<E: ListedEntity, P: Parent + TryGetable>(
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
        let read = move |row: &QueryResult| {
            let id: P = row.try_get("", parent.as_str())?;
            Ok(((id, number(row)?), 0))
        };
        counts.extend(read_rows(db, select.into_query(), read).await?);
    }
    Ok(counts)
}

/// A row's count.
fn number(row: &QueryResult) -> Result<u64, DbErr> {
    let number: i64 = row.try_get("", "number")?;
    Ok(u64::try_from(number).unwrap_or_default())
}
