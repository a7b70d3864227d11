//! Positions of events: given after the commit, where they are not the ids.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, TransactionTrait, TryGetable};

use crate::{
    domain::error::{Error, Result},
    store::{
        db::{database::Db, error_kind::DbErrorKind},
        event::unsequenced,
        unchecked_int::UncheckedInt,
    },
};

/// How many changes get their positions in one transaction.
const BATCH: u64 = 500;

/// Which changes have their positions after a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequenced {
    /// All that were committed when it began.
    All,
    /// The oldest; more may be waiting.
    Oldest,
    /// No more than before: the database takes no writes. On a standby, positions come from the
    /// primary.
    Nothing,
}

/// Gives the committed changes that have none their positions in the feed, oldest id first, a batch
/// at most.
///
/// The row of `graphql_feed` is locked until the commit, so positions are given in the order in
/// which they become visible, without gaps. No writer of a noun waits for that row.
pub(crate) async fn sequence_batch(db: &Db) -> Result<Sequenced> {
    let sequenced = match db.backend() {
        DbBackend::Sqlite => return Ok(Sequenced::All),
        DbBackend::Postgres => sequence_on_postgres(db).await,
        _ => sequence_on_mysql(db).await,
    };
    match sequenced {
        Ok(Some(BATCH..)) => Ok(Sequenced::Oldest),
        Ok(Some(_)) => Ok(Sequenced::All),
        Ok(None) => Err(Error::FeedDetached),
        Err(error) => match DbErrorKind::of(&error) {
            DbErrorKind::ReadOnly(_) | DbErrorKind::DiskFull => Ok(Sequenced::Nothing),
            _ => Err(error.into()),
        },
    }
}

/// Whether the database is a standby, which may be behind what another server has told.
pub(crate) async fn is_standby(db: &Db) -> Result<bool> {
    let sql = match db.backend() {
        DbBackend::Sqlite => return Ok(false),
        DbBackend::Postgres => "SELECT CAST(pg_is_in_recovery() AS int) AS standby",
        _ => "SELECT CAST(@@global.read_only AS SIGNED) AS standby",
    };
    let statement = Statement::from_string(db.backend(), sql);
    let row = db.watcher.query_one_raw(statement).await?;
    let standby = row.map(|row| UncheckedInt::try_get(&row, "", "standby"));
    let standby = standby.transpose().map_err(DbErr::from)?;
    Ok(standby.is_some_and(|standby| standby.int() == Some(1)))
}

/// Sends both statements in one message: they are one transaction, which the database ends even if
/// this process dies. The second sees what was committed when the first got the lock.
async fn sequence_on_postgres(db: &Db) -> Result<Option<u64>, DbErr> {
    // `feed.position` is the old one: a statement does not see the changes of its own `moved`.
    let done = db
        .watcher
        .execute_unprepared(&format!(
            "SELECT position FROM graphql_feed FOR UPDATE; \
             WITH waiting AS ( \
                 SELECT id, row_number() OVER (ORDER BY id) AS nth FROM ( \
                     SELECT id FROM graphql_events WHERE position IS NULL ORDER BY id LIMIT {BATCH} \
                 ) AS oldest \
             ), counted AS ( \
                 SELECT count(*) AS n FROM waiting \
             ), moved AS ( \
                 UPDATE graphql_feed SET position = position + n FROM counted WHERE n > 0 \
             ) \
             UPDATE graphql_events AS event SET position = feed.position + waiting.nth \
             FROM waiting, graphql_feed AS feed WHERE event.id = waiting.id"
        ))
        .await?;
    // The row that was locked counts as one.
    Ok(done.rows_affected().checked_sub(1))
}

/// `None` where the feed has no row.
async fn sequence_on_mysql(db: &Db) -> Result<Option<u64>, DbErr> {
    let txn = db.watcher.begin().await?;
    let statement = Statement::from_string(
        txn.get_database_backend(),
        "SELECT position FROM graphql_feed FOR UPDATE",
    );
    let Some(feed) = txn.query_one_raw(statement).await? else {
        return Ok(None);
    };
    let position: i64 = feed.try_get("", "position")?;
    // Read without locks, so that this does not wait for open transactions.
    let changes = unsequenced(&txn, Some(BATCH)).await?;
    if !changes.is_empty() {
        let ids: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let ids = ids.join(", ");
        // `FIELD` is the place of the id in the list, from 1.
        txn.execute_unprepared(&format!(
            "UPDATE graphql_events SET position = {position} + FIELD(id, {ids}) WHERE id IN ({ids})"
        ))
        .await?;
        txn.execute_unprepared(&format!(
            "UPDATE graphql_feed SET position = position + {}",
            changes.len()
        ))
        .await?;
    }
    txn.commit().await?;
    Ok(Some(changes.len() as u64))
}
