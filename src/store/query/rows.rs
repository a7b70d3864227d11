//! Running a query and reading its rows.

use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryTrait, sea_query::SelectStatement};

use crate::{
    domain::{error::Result, page::Rows},
    store::{
        db::database::Db,
        query::field::ListedEntity,
        row::{FromRow, Row},
        row_bytes::RowBytes,
    },
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

/// The rows of a query, as `read` reads them; it also says how many bytes a row's texts take. It
/// may be asked twice for a row, and so must do nothing but read.
///
/// # Errors
/// The caller would hold too much memory.
pub(crate) fn read_rows<T: Send + 'static>(
    db: &Db,
    select: SelectStatement,
    read: impl FnMut(Row<'_>) -> Result<(T, usize), DbErr> + Send + 'static,
) -> impl Future<Output = Result<Vec<T>>> {
    // Here, so that the future does not hold the query.
    let statement = db.backend().build(&select);
    async move { db.reader().await?.read_all(statement, read).await }
}

/// The rows of a query that can be read.
pub(crate) async fn read_all<M: FromRow + RowBytes + Send + 'static>(
    db: &Db,
    select: SelectStatement,
) -> Result<Vec<M>> {
    let rows = read_rows(db, select, read_row).await?;
    Ok(rows.into_iter().flatten().collect())
}

/// A row, unless it cannot be read, and the bytes of its texts.
pub(crate) fn read_row<M: FromRow + RowBytes>(row: Row<'_>) -> Result<(Option<M>, usize), DbErr> {
    let row = row.if_readable(M::from_row(row))?;
    let bytes = row.as_ref().map_or(0, M::text_bytes);
    Ok((row, bytes))
}

/// At most `size` of these rows. `more` counts unreadable rows too: one of them must not end a
/// list.
pub(crate) fn page<M>(rows: Vec<Option<M>>, size: u64) -> Rows<M> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    Rows {
        more: rows.len() > size,
        rows: rows.into_iter().take(size).flatten().collect(),
    }
}

/// As `read_rows`, for a query that may read many rows to give few. `read` is asked once for each.
pub(crate) async fn read_rows_once<T: Send + 'static>(
    db: &Db,
    select: SelectStatement,
    read: impl FnMut(Row<'_>) -> Result<(T, usize), DbErr> + Send + 'static,
) -> Result<Vec<T>> {
    let statement = db.backend().build(&select);
    let reader = db.reader().await?;
    Box::pin(reader.read_pooled(statement, read)).await
}
