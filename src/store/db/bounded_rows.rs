//! Reading rows one by one, up to a limit of bytes.

use std::pin::pin;

use futures_util::TryStreamExt;
use sea_orm::{DbErr, QueryResult, Statement, StreamTrait};

use crate::{domain::error::Result, store::db::read_account::ReadAccount};

/// How many bytes of rows are read before they are counted.
const COUNTED_BYTES: usize = 64 * 1_024;

/// Rows as they were read.
#[derive(Debug)]
pub(crate) struct BoundedRows<T> {
    pub(crate) rows: Vec<T>,
    /// There are more, which would have been too many bytes.
    pub(crate) is_cut: bool,
}

/// How to read a row, and how many bytes it then takes.
pub(crate) type ReadRow<T> = fn(&QueryResult) -> Result<(T, usize), DbErr>;

/// The rows of a query, of which at least `least` are read, and others while all take no more than
/// `max_bytes`. Streamed, as texts may be long.
pub(crate) async fn read_bounded<T>(
    db: &impl StreamTrait,
    statement: Statement,
    least: usize,
    max_bytes: usize,
    read: ReadRow<T>,
) -> Result<BoundedRows<T>, DbErr> {
    let mut stream = pin!(db.stream_raw(statement).await?);
    let (mut rows, mut all_bytes) = (Vec::new(), 0);
    while let Some(row) = stream.try_next().await? {
        let (row, bytes) = read(&row)?;
        all_bytes += bytes;
        if rows.len() >= least && all_bytes > max_bytes {
            return Ok(BoundedRows { rows, is_cut: true });
        }
        rows.push(row);
    }
    let is_cut = false;
    Ok(BoundedRows { rows, is_cut })
}

/// Every row of a query. What they take is counted on the account as they come, so that too many
/// are not read to the end. Streamed, so that no row is held twice.
pub(crate) async fn read_counted<T>(
    db: &impl StreamTrait,
    statement: Statement,
    account: Option<&ReadAccount>,
    mut read: impl FnMut(&QueryResult) -> Result<(T, usize), DbErr>,
) -> Result<Result<Vec<T>>, DbErr> {
    let mut stream = pin!(db.stream_raw(statement).await?);
    let (mut rows, mut uncounted) = (Vec::new(), 0);
    let count = |bytes: usize| account.map_or(Ok(()), |account| account.hold_rows(bytes));
    while let Some(row) = stream.try_next().await? {
        let (row, bytes) = read(&row)?;
        rows.push(row);
        uncounted += size_of::<T>() + bytes;
        if uncounted >= COUNTED_BYTES
            && let Err(refusal) = count(std::mem::take(&mut uncounted))
        {
            return Ok(Err(refusal));
        }
    }
    Ok(count(uncounted).map(|()| rows))
}
