//! Where events stand in the feed: whether there are new ones, and the places that are given after the commit.

use sea_orm::{
    ConnectionTrait, DbBackend, FromQueryResult, QueryOrder, QueryResult, QuerySelect, Statement,
    TransactionTrait, entity::prelude::*, sea_query::ExprTrait,
};

use crate::{
    domain::{
        error::{Error, Result},
        id::{ChangeId, Position},
    },
    store::{
        Db,
        event::{Column, Entity},
    },
};

/// The column that holds an event's position.
pub(crate) fn position_column(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "id",
        _ => "position",
    }
}

/// The same as an expression.
pub(crate) fn position_expr(backend: DbBackend) -> Expr {
    Expr::col((Entity, position_column(backend)))
}

/// Changes that are committed and have no place yet.
pub(crate) async fn unsequenced(
    db: &impl ConnectionTrait,
    limit: Option<u64>,
) -> Result<Vec<ChangeId>> {
    Ok(Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(position_expr(db.get_database_backend()).is_null())
        .order_by_asc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?)
}

/// What a look at the end of the feed tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedNews {
    /// Nothing has changed.
    None,
    /// There may be events behind the place that was asked about.
    Some,
    /// Changes wait to be given their places.
    Waiting,
}

/// What the last look told, where it takes two to tell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FeedProbe(Option<i32>);

/// Looks for events behind a place, and for changes that wait for theirs, without reading them: one index look-up.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn news(db: &Db, position: Position, seen: &mut FeedProbe) -> Result<FeedNews> {
    let backend = db.backend();
    let sql = match backend {
        // Changes whenever another connection or process has written. Taken before the read: what is written
        // in between changes it again.
        DbBackend::Sqlite => {
            let row = query_one(&db.watcher, "PRAGMA data_version".to_owned()).await?;
            let version = row.map(|row| row.try_get("", "data_version")).transpose()?;
            let same = version.is_some() && seen.0 == version;
            seen.0 = version;
            return Ok(if same { FeedNews::None } else { FeedNews::Some });
        }
        // Nulls are the last of the index, and the greatest.
        DbBackend::Postgres => {
            "SELECT position FROM graphql_step_events ORDER BY position DESC LIMIT 1".to_owned()
        }
        // Nulls are the first of the index.
        _ => format!(
            "SELECT position FROM graphql_step_events WHERE position IS NULL OR position > {position} \
             ORDER BY position LIMIT 1"
        ),
    };
    let Some(row) = query_one(&db.watcher, sql).await? else {
        return Ok(FeedNews::None);
    };
    let newest: Option<i64> = row.try_get("", "position")?;
    Ok(match newest {
        None => FeedNews::Waiting,
        Some(newest) if newest > position.0 => FeedNews::Some,
        Some(_) => FeedNews::None,
    })
}

async fn query_one(db: &impl ConnectionTrait, sql: String) -> Result<Option<QueryResult>> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    Ok(db.query_one_raw(statement).await?)
}

/// Gives every committed change that has none its place in the feed, oldest id first.
///
/// Whoever does this holds the row of `graphql_feed` until it is committed, so places are given in the order in which they
/// become visible, without holes. No writer of steps waits for that row.
///
/// # Errors
/// `Unavailable` where the row is not to be had in time; else as every write.
pub(crate) async fn sequence_changes(db: &Db) -> Result<()> {
    loop {
        let sequenced = match db.backend() {
            DbBackend::Sqlite => return Ok(()),
            DbBackend::Postgres => sequence_on_postgres(db).await?,
            _ => sequence_on_mysql(db).await?,
        };
        if sequenced < SEQUENCED_AT_ONCE {
            return Ok(());
        }
    }
}

/// How many changes are given their places in one transaction.
const SEQUENCED_AT_ONCE: u64 = 500;

/// One message holds both statements, so they are one transaction that the database ends by itself, however this process
/// fares meanwhile. The second sees what was committed when the first had the lock.
async fn sequence_on_postgres(db: &Db) -> Result<u64> {
    let done = db
        .watcher
        .execute_unprepared(&format!(
            "SELECT position FROM graphql_feed FOR UPDATE; \
             WITH waiting AS ( \
                 SELECT id, row_number() OVER (ORDER BY id) AS place FROM ( \
                     SELECT id FROM graphql_step_events WHERE position IS NULL ORDER BY id LIMIT {SEQUENCED_AT_ONCE} \
                 ) AS oldest \
             ), counted AS ( \
                 SELECT count(*) AS n FROM waiting \
             ), moved AS ( \
                 UPDATE graphql_feed SET position = position + n FROM counted WHERE n > 0 \
             ) \
             UPDATE graphql_step_events AS event SET position = feed.position + waiting.place \
             FROM waiting, graphql_feed AS feed WHERE event.id = waiting.id"
        ))
        .await?;
    // The row that was locked counts as one.
    Ok(done.rows_affected().saturating_sub(1))
}

async fn sequence_on_mysql(db: &Db) -> Result<u64> {
    #[derive(FromQueryResult)]
    struct Row {
        position: i64,
    }
    let txn = db.watcher.begin().await?;
    let statement = Statement::from_string(
        txn.get_database_backend(),
        "SELECT position FROM graphql_feed FOR UPDATE",
    );
    let position = Row::find_by_statement(statement).one(&txn).await?;
    let position = position.ok_or(Error::FeedDetached)?.position;
    // Read without locks: nothing here waits for a transaction that is still open.
    let changes = unsequenced(&txn, Some(SEQUENCED_AT_ONCE)).await?;
    if !changes.is_empty() {
        let ids: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let ids = ids.join(", ");
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

/// The place of a change; none as long as it has none.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`; `FeedDetached` where the change is not in the feed.
pub(crate) async fn position_of(db: &Db, change: ChangeId) -> Result<Option<Position>> {
    if db.backend() == DbBackend::Sqlite {
        return Ok(Some(Position(change.0)));
    }
    let position: Option<Option<Position>> = Entity::find()
        .select_only()
        .expr_as(position_expr(db.backend()), "position")
        .filter(Column::Id.eq(change))
        .into_tuple()
        .one(db.reader())
        .await?;
    position.ok_or(Error::FeedDetached)
}
