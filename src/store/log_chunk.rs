//! The lines of logs, many to a row. A reader goes by the numbers of lines, never by rows: those of
//! a finished log are merged while it is read.

use sea_orm::{
    ActiveValue::Set,
    FromQueryResult, QueryOrder, QueryResult, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{ExprTrait, SimpleExpr},
};

use crate::{
    domain::{error::Result, id::LogId},
    store::db::{
        bounded_rows::{BoundedRows, Bounds},
        database::Db,
        transaction::Txn,
    },
};

/// A row of `logchunks`: neighbouring lines of a log.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "logchunks")]
pub(crate) struct Model {
    // The table has no key; a log has no two rows with the same first line.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) logid: LogId,
    /// The number of the first line, from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) first_line: i32,
    /// The number of the last line, which is in it.
    pub(crate) last_line: i32,
    /// The lines, with a line feed between two, as `compressed` says.
    pub(crate) content: Vec<u8>,
    /// 0 raw, 1 zlib, 2 bz2, 3 lz4, 4 zstd, 5 brotli.
    pub(crate) compressed: i16,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The rows that have any of the lines `first` to `last`, in order, as they are at one moment: at
/// least one, and others up to `max_rows` while all take no more than `max_bytes` as they are
/// stored.
///
/// The first of them is looked up by its last line and the others follow by their first lines, so
/// that each end of a long log is found by an index.
///
/// `max_rows` is for PostgreSQL and MariaDB, which send the rest of an answer that nobody reads.
///
/// # Errors
/// A row that cannot be read.
pub(crate) async fn in_range(
    db: &Db,
    logid: LogId,
    (first, last): (i32, i32),
    max_rows: usize,
    max_bytes: usize,
) -> Result<BoundedRows<Model>> {
    let begin = Entity::find()
        .select_only()
        .column(Column::FirstLine)
        .filter(Column::Logid.eq(logid))
        .filter(Column::LastLine.gte(first))
        .order_by_asc(Column::LastLine)
        .limit(1);
    let begin = SimpleExpr::SubQuery(None, Box::new(begin.into_query().into()));
    let rows = Entity::find()
        .filter(Column::Logid.eq(logid))
        .filter(Expr::col(Column::FirstLine).gte(begin))
        .filter(Column::FirstLine.lte(last))
        .order_by_asc(Column::FirstLine)
        .limit(max_rows as u64);
    let statement = db.backend().build(&rows.into_query());
    let reader = db.reader().await?;
    let bounds = Bounds {
        least: 1,
        max_bytes,
    };
    let read = reader.read_pooled_bounded(statement, bounds, read_row);
    let mut read = read.await?;
    read.is_cut |= read.rows.len() == max_rows;
    Ok(read)
}

fn read_row(row: &QueryResult) -> Result<(Model, usize), DbErr> {
    let row = Model::from_query_result(row, "")?;
    let bytes = row.content.len();
    Ok((row, bytes))
}

/// Adds rows.
pub(crate) async fn insert(txn: &Txn, chunks: Vec<Model>) -> Result<()> {
    if chunks.is_empty() {
        return Ok(());
    }
    let rows = chunks.into_iter().map(|chunk| ActiveModel {
        logid: Set(chunk.logid),
        first_line: Set(chunk.first_line),
        last_line: Set(chunk.last_line),
        content: Set(chunk.content),
        compressed: Set(chunk.compressed),
    });
    txn.execute(Entity::insert_many(rows)).await.map(drop)
}

/// Puts rows in the place of those that have the same lines.
pub(crate) async fn replace(txn: &Txn, logid: LogId, chunks: Vec<Model>) -> Result<()> {
    let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else {
        return Ok(());
    };
    let replaced = Entity::delete_many()
        .filter(Column::Logid.eq(logid))
        .filter(Column::FirstLine.gte(first.first_line))
        .filter(Column::LastLine.lte(last.last_line));
    txn.execute(replaced).await?;
    insert(txn, chunks).await
}
