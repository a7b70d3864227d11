//! Positions of events: given after the commit, where they are not the ids.

use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};

use crate::{
    domain::error::{Error, Result},
    store::{db::database::Db, event::unsequenced},
};

/// How many changes get their positions in one transaction.
const BATCH: u64 = 500;

/// Gives every committed change that has none its position in the feed, oldest id first.
///
/// The row of `graphql_feed` is locked until the commit, so positions are given in the order in
/// which they become visible, without gaps. No writer of steps waits for that row.
pub(crate) async fn sequence_changes(db: &Db) -> Result<()> {
    loop {
        let sequenced = match db.backend() {
            DbBackend::Sqlite => return Ok(()),
            DbBackend::Postgres => sequence_on_postgres(db).await?,
            _ => sequence_on_mysql(db).await?,
        };
        if sequenced < BATCH {
            return Ok(());
        }
    }
}

/// Sends both statements in one message: they are one transaction, which the database ends even if
/// this process dies. The second sees what was committed when the first got the lock.
async fn sequence_on_postgres(db: &Db) -> Result<u64> {
    // `feed.position` is the old one: a statement does not see the changes of its own `moved`.
    let done = db
        .watcher
        .execute_unprepared(&format!(
            "SELECT position FROM graphql_feed FOR UPDATE; \
             WITH waiting AS ( \
                 SELECT id, row_number() OVER (ORDER BY id) AS nth FROM ( \
                     SELECT id FROM graphql_step_events WHERE position IS NULL ORDER BY id LIMIT {BATCH} \
                 ) AS oldest \
             ), counted AS ( \
                 SELECT count(*) AS n FROM waiting \
             ), moved AS ( \
                 UPDATE graphql_feed SET position = position + n FROM counted WHERE n > 0 \
             ) \
             UPDATE graphql_step_events AS event SET position = feed.position + waiting.nth \
             FROM waiting, graphql_feed AS feed WHERE event.id = waiting.id"
        ))
        .await?;
    // The row that was locked counts as one.
    Ok(done.rows_affected().saturating_sub(1))
}

async fn sequence_on_mysql(db: &Db) -> Result<u64> {
    let txn = db.watcher.begin().await?;
    let statement = Statement::from_string(
        txn.get_database_backend(),
        "SELECT position FROM graphql_feed FOR UPDATE",
    );
    let feed = txn.query_one_raw(statement).await?;
    let position: i64 = feed.ok_or(Error::FeedDetached)?.try_get("", "position")?;
    // Read without locks, so that this does not wait for open transactions.
    let changes = unsequenced(&txn, Some(BATCH)).await?;
    if !changes.is_empty() {
        let ids: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let ids = ids.join(", ");
        // `FIELD` is the place of the id in the list, from 1.
        txn.execute_unprepared(&format!(
            "UPDATE graphql_step_events SET position = {position} + FIELD(id, {ids}) WHERE id IN ({ids})"
        ))
        .await?;
        txn.execute_unprepared(&format!(
            "UPDATE graphql_feed SET position = position + {}",
            changes.len()
        ))
        .await?;
    }
    txn.commit().await?;
    Ok(changes.len() as u64)
}
