//! Whether there are new events, at the least cost.

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};

use crate::{
    domain::{error::Result, id::Position},
    store::db::database::Db,
};

/// What a probe of the feed's end found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedNews {
    /// Nothing has changed.
    None,
    /// There may be events behind the position that was asked about.
    Some,
    /// Changes wait for their positions.
    Waiting,
}

/// SQLite's `data_version` as of the last probe: only a difference tells. Unused elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FeedProbe(Option<i32>);

/// Looks for events behind a position, and for changes that wait for theirs, without reading them:
/// one index look-up.
pub(crate) async fn probe(db: &Db, position: Position, last: &mut FeedProbe) -> Result<FeedNews> {
    db.last_seen()?;
    let backend = db.backend();
    let sql = match backend {
        // `data_version` changes whenever another connection has written. It is taken before the
        // events are read, so a write in between changes it again.
        DbBackend::Sqlite => {
            let row = query_one(&db.watcher, "PRAGMA data_version".to_owned()).await?;
            let version = row.map(|row| row.try_get("", "data_version")).transpose()?;
            let same = version.is_some() && last.0 == version;
            last.0 = version;
            return Ok(if same { FeedNews::None } else { FeedNews::Some });
        }
        // Nulls are the greatest in PostgreSQL's index, so they come first.
        DbBackend::Postgres => {
            "SELECT position FROM graphql_events ORDER BY position DESC LIMIT 1".to_owned()
        }
        // Nulls are the least in the index, so they come first.
        _ => format!(
            "SELECT position FROM graphql_events WHERE position IS NULL OR position > {position} \
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
