//! Which logs are old, how much they take, and dropping their lines.

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, QueryOrder, QuerySelect, Statement, entity::prelude::*,
    sea_query::Expr,
};

use crate::{
    domain::{
        error::Result,
        event::EventKind,
        id::{ChangeId, LogId, StepId},
        log::LogType,
    },
    store::{
        db::{database::Db, transaction::Txn},
        event, log, log_chunk, step,
    },
};

/// The newest step that began before a time, in seconds since the epoch.
pub(crate) async fn newest_step_before(db: &Db, before: i64) -> Result<Option<StepId>> {
    Ok(step::Entity::find()
        .select_only()
        .column(step::Column::Id)
        .filter(step::Column::StartedAt.lt(before))
        .order_by_desc(step::Column::StartedAt)
        .order_by_desc(step::Column::Id)
        .limit(1)
        .into_tuple()
        .one(&db.reader().await?)
        .await?)
}

/// At most `limit` logs with lines, of steps behind one and up to another.
pub(crate) async fn of_steps_between(
    db: &Db,
    behind: StepId,
    up_to: StepId,
    limit: u64,
) -> Result<Vec<LogId>> {
    let logs = with_lines()
        .filter(log::Column::Stepid.gt(behind))
        .filter(log::Column::Stepid.lte(up_to))
        .order_by_asc(log::Column::Stepid)
        .limit(limit);
    Ok(logs.into_tuple().all(&db.reader().await?).await?)
}

/// At most `limit` finished logs with lines behind one, the oldest first.
pub(crate) async fn finished_after(db: &Db, after: LogId, limit: u64) -> Result<Vec<LogId>> {
    let logs = with_lines()
        .filter(log::Column::Complete.ne(0))
        .filter(log::Column::Id.gt(after))
        .order_by_asc(log::Column::Id)
        .limit(limit);
    Ok(logs.into_tuple().all(&db.reader().await?).await?)
}

fn with_lines() -> Select<log::Entity> {
    log::Entity::find()
        .select_only()
        .column(log::Column::Id)
        .filter(log::Column::Letter.ne(LogType::Deleted.letter()))
}

/// At most `limit` logs whose lines are dropped and not all gone: a server has ended meanwhile.
pub(crate) async fn half_dropped(db: &Db, limit: u64) -> Result<Vec<LogId>> {
    let rest = Expr::cust("EXISTS (SELECT 1 FROM logchunks WHERE logchunks.logid = logs.id)");
    let logs = log::Entity::find()
        .select_only()
        .column(log::Column::Id)
        .filter(log::Column::Letter.eq(LogType::Deleted.letter()))
        .filter(rest)
        .limit(limit);
    Ok(logs.into_tuple().all(&db.reader().await?).await?)
}

/// How many bytes the lines of a log take as they are stored; of all logs, without one.
pub(crate) async fn stored_bytes(db: &Db, log: Option<LogId>) -> Result<u64> {
    let backend = db.backend();
    let int = if backend == DbBackend::MySql {
        "SIGNED"
    } else {
        "bigint"
    };
    let of_log = log.map(|id| format!(" WHERE logid = {id}"));
    let sql = format!(
        "SELECT CAST(COALESCE(SUM(LENGTH(content)), 0) AS {int}) AS bytes FROM logchunks{}",
        of_log.unwrap_or_default()
    );
    let statement = Statement::from_string(backend, sql);
    let row = db.reader().await?.query_one_raw(statement).await?;
    let bytes: i64 = row.map_or(Ok(0), |row| row.try_get("", "bytes"))?;
    Ok(bytes.unsigned_abs())
}

/// Says that the lines of a log are gone, before they go: a reader finds all of them or none. The
/// change; `None` if that was said already.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn mark_deleted(txn: &Txn, id: LogId) -> Result<Option<ChangeId>> {
    if log::lock(txn, id).await?.log_type() == LogType::Deleted {
        return Ok(None);
    }
    let update = log::Entity::update_many()
        .col_expr(log::Column::Letter, LogType::Deleted.letter().into())
        .filter(log::Column::Id.eq(id));
    txn.execute(update).await?;
    let (change, _) = event::of_log(txn, id, EventKind::Updated).await?;
    Ok(Some(change))
}

/// Deletes at most `limit` chunks of a log. How many there were.
pub(crate) async fn delete_chunks(db: &Db, id: LogId, limit: u64) -> Result<u64, DbErr> {
    let first_lines: Vec<i32> = log_chunk::Entity::find()
        .select_only()
        .column(log_chunk::Column::FirstLine)
        .filter(log_chunk::Column::Logid.eq(id))
        .order_by_asc(log_chunk::Column::FirstLine)
        .limit(limit)
        .into_tuple()
        .all(&db.writer)
        .await?;
    let Some(last) = first_lines.last() else {
        return Ok(0);
    };
    let done = log_chunk::Entity::delete_many()
        .filter(log_chunk::Column::Logid.eq(id))
        .filter(log_chunk::Column::FirstLine.lte(*last))
        .exec(&db.writer)
        .await?;
    Ok(done.rows_affected)
}
