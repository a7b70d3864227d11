//! Running a query and reading its rows.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, FromQueryResult, QueryFilter, QueryResult, QueryTrait,
    sea_query::SelectStatement,
};

use crate::{
    domain::{error::Result, page::Rows},
    store::{db::database::Db, query::field::ListedEntity},
};

/// How many values a statement binds at most; SQLite takes 32,766.
pub(crate) const MAX_BINDS: usize = 30_000;

/// The rows with these values in a unique column.
pub(crate) async fn by_key<E: ListedEntity, K: Into<sea_orm::Value> + Clone>(
    db: &Db,
    column: E::Column,
    keys: &[K],
) -> Result<Vec<E::Model>> {
    let mut found = Vec::new();
    for keys in keys.chunks(MAX_BINDS) {
        let query = E::select(db.dialect()).filter(column.is_in(keys.iter().cloned()));
        found.append(&mut read_all(db, query.into_query()).await?);
    }
    Ok(found)
}

/// The rows of a query as they came.
pub(crate) async fn query(db: &Db, select: SelectStatement) -> Result<Vec<QueryResult>> {
    let statement = db.backend().build(&select);
    Ok(db.reader().await?.query_all_raw(statement).await?)
}

/// The rows of a query that can be read.
pub(crate) async fn read_all<M: FromQueryResult>(
    db: &Db,
    select: SelectStatement,
) -> Result<Vec<M>> {
    let rows = query(db, select).await?;
    let rows = rows
        .iter()
        .filter_map(|row| if_readable(M::from_query_result(row, "")));
    Ok(rows.collect())
}

/// At most `size` of these rows. `more` counts unreadable rows too: one of them must not end a
/// list.
pub(crate) fn read<'r, M: FromQueryResult>(
    rows: impl ExactSizeIterator<Item = &'r QueryResult>,
    size: u64,
) -> Rows<M> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    Rows {
        more: rows.len() > size,
        rows: rows
            .take(size)
            .filter_map(|row| if_readable(M::from_query_result(row, "")))
            .collect(),
    }
}

/// Leaves out a row that cannot be read, and logs it: SQLite lets anybody write one, and it must
/// not take its neighbours with it.
pub(crate) fn if_readable<T>(row: Result<T, DbErr>) -> Option<T> {
    row.inspect_err(|error| tracing::warn!(%error, "a row that cannot be read is left out"))
        .ok()
}
