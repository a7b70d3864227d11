//! Reading rows one by one, up to a limit of bytes.

use std::pin::pin;

use futures_util::TryStreamExt;
use sea_orm::{DbBackend, DbErr, QueryResult, Statement, StreamTrait};
use tracing::{Instrument, Span, field::Empty};

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

/// How much is read of what a statement finds: `least` rows at least, and others while the texts of
/// all take no more than `max_bytes`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) least: usize,
    pub(crate) max_bytes: usize,
}

impl Bounds {
    pub(crate) const NONE: Self = Self {
        least: usize::MAX,
        max_bytes: usize::MAX,
    };

    /// Whether a row is too many behind so many, with which all would have so many bytes.
    pub(super) fn are_reached(self, rows: usize, bytes: usize) -> bool {
        rows >= self.least && bytes > self.max_bytes
    }
}

/// How to read a row, and how many bytes it then takes.
pub(crate) type ReadRow<T> = fn(&QueryResult) -> Result<(T, usize), DbErr>;

/// The rows of a query within these bounds. Streamed, as texts may be long.
pub(crate) async fn read_bounded<T>(
    db: &impl StreamTrait,
    statement: Statement,
    bounds: Bounds,
    mut read: impl FnMut(&QueryResult) -> Result<(T, usize), DbErr>,
) -> Result<BoundedRows<T>, DbErr> {
    let mut all_bytes = 0;
    let mut is_cut = false;
    let rows = read_while(db, statement, |rows: &mut Vec<T>, row| {
        let (row, bytes) = read(row)?;
        all_bytes += bytes;
        is_cut = bounds.are_reached(rows.len(), all_bytes);
        if !is_cut {
            rows.push(row);
        }
        Ok(!is_cut)
    });
    let rows = rows.await?;
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
    let mut uncounted = 0;
    let mut counted = Ok(());
    let count = |bytes: usize| account.map_or(Ok(()), |account| account.hold_rows(bytes));
    let rows = read_while(db, statement, |rows: &mut Vec<T>, row| {
        let (row, bytes) = read(row)?;
        rows.push(row);
        uncounted += size_of::<T>() + bytes;
        if uncounted >= COUNTED_BYTES {
            counted = count(std::mem::take(&mut uncounted));
        }
        Ok(counted.is_ok())
    });
    let rows = rows.await?;
    Ok(counted.and_then(|()| count(uncounted)).map(|()| rows))
}

/// Reads the rows of a query one by one, until `take` says that this was the last one.
async fn read_while<T>(
    db: &impl StreamTrait,
    statement: Statement,
    mut take: impl FnMut(&mut Vec<T>, &QueryResult) -> Result<bool, DbErr>,
) -> Result<Vec<T>, DbErr> {
    let span = statement_span(&statement);
    let reading = async {
        let mut stream = pin!(db.stream_raw(statement).await?);
        let mut rows = Vec::new();
        while let Some(row) = stream.try_next().await? {
            if !take(&mut rows, &row)? {
                break;
            }
        }
        Ok(rows)
    };
    let read = reading.instrument(span.clone()).await;
    if read.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    read
}

/// The span of a statement for traces, as sea-orm makes one for each that it runs itself and does
/// not stream. The statement's text has placeholders for its values.
pub(super) fn statement_span(statement: &Statement) -> Span {
    if !cfg!(feature = "otel") {
        return Span::none();
    }
    let system = match statement.db_backend {
        DbBackend::Postgres => "postgresql",
        DbBackend::MySql => "mysql",
        _ => "sqlite",
    };
    let (operation, _) = statement.sql.split_once(' ').unwrap_or_default();
    let span = tracing::info_span!(
        target: "sea_orm",
        "sea_orm.stream",
        otel.kind = "client",
        db.system = system,
        db.operation = operation,
        db.statement = Empty,
        otel.status_code = Empty,
    );
    if statement.values.is_some() {
        span.record("db.statement", &*statement.sql);
    }
    span
}
