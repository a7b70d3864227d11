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

/// What the last probe found, where it takes two to tell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FeedProbe(Option<i32>);

/// Looks for events behind a position, and for changes that wait for theirs, without reading them:
/// one index look-up.
pub(crate) async fn probe(db: &Db, position: Position, last: &mut FeedProbe) -> Result<FeedNews> {
    let backend = db.backend();
    let sql = match backend {
        // It changes whenever another connection or process has written. Taken before the read:
        // what is written in between changes it again.
        DbBackend::Sqlite => {
            let row = query_one(&db.watcher, "PRAGMA data_version".to_owned()).await?;
            let version = row.map(|row| row.try_get("", "data_version")).transpose()?;
            let same = version.is_some() && last.0 == version;
            last.0 = version;
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
