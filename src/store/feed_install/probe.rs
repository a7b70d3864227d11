//! Probing what may change in a Buildbot master's database while it is served.

use std::sync::{Arc, atomic::Ordering};

use migration::{
    feed::{FeedOwner, feed_objects},
    noun::NounSet,
};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, TryGetable};

use crate::{
    domain::error::{Error, Result},
    store::{
        db::{
            database::Db,
            error_kind::DbErrorKind,
            revision::{WITH_LOCK_DURATIONS, revision},
        },
        feed_install::catalog::{has_log_columns, has_tables, read_catalog, triggered},
        unchecked_int::UncheckedInt,
    },
};

/// What the server does with the feed. MariaDB and MySQL cannot be asked for a user's rights, but
/// `EXPLAIN` needs those of the statement, even where nothing can be written.
const STATEMENTS: [&str; 4] = [
    "SELECT id FROM graphql_lost",
    "UPDATE graphql_feed SET position = position",
    "UPDATE graphql_events SET position = position",
    "DELETE FROM graphql_events",
];

/// A feed as it was found.
#[derive(Clone, Debug)]
pub(crate) struct FoundFeed {
    /// Its name, part of every cursor.
    pub(crate) epoch: Arc<str>,
    /// The nouns of which every change is recorded.
    pub(crate) recorded: NounSet,
}

/// Checks a master's columns and its feed.
///
/// # Errors
/// `FeedDetached` where there is no feed, or one that records nothing; `FeedDenied`.
pub(crate) async fn find_feed(db: &Db) -> Result<FoundFeed> {
    if !db.is_buildbots() {
        return read_feed(db).await;
    }
    // Read by the watcher, as the readers may be busy.
    let has_lock_durations = *revision(&db.watcher).await? >= *WITH_LOCK_DURATIONS;
    db.has_lock_durations
        .store(has_lock_durations, Ordering::Relaxed);
    let owner = FeedOwner::Buildbot { has_lock_durations };
    let objects = feed_objects(db.backend(), owner);
    let catalog = read_catalog(&db.watcher).await?;
    db.has_log_events
        .store(has_log_columns(&catalog), Ordering::Relaxed);
    let triggered = triggered(&objects, &catalog);
    if !has_tables(&objects, &catalog) || triggered.is_empty() {
        return Err(Error::FeedDetached);
    }
    if !may_use_feed(db).await? {
        return Err(Error::FeedDenied);
    }
    let mut feed = read_feed(db).await?;
    feed.recorded = feed.recorded.intersection(triggered);
    Ok(feed)
}

/// Reads the feed's name. Each change that could not be recorded gives another one, since older
/// cursors would skip it.
async fn read_feed(db: &Db) -> Result<FoundFeed> {
    // Only the triggers in a master's PostgreSQL or MariaDB catch errors and record losses.
    let lost = if !db.is_buildbots() || db.backend() == DbBackend::Sqlite {
        "0"
    } else {
        "(SELECT COALESCE(MAX(id), 0) FROM graphql_lost)"
    };
    let sql = format!("SELECT epoch, recorded, {lost} AS lost FROM graphql_feed");
    let statement = Statement::from_string(db.backend(), sql);
    let row = db.watcher.query_one_raw(statement).await?;
    let row = row.ok_or(Error::FeedDetached)?;
    let epoch: String = row.try_get("", "epoch")?;
    // On PostgreSQL `0` has 32 bits and `MAX(id)` 64; `UncheckedInt` reads both.
    let lost = UncheckedInt::try_get(&row, "", "lost").map_err(DbErr::from)?;
    Ok(FoundFeed {
        epoch: shift_epoch(epoch, lost.int().unwrap_or_default()).into(),
        recorded: NounSet::from_codes(row.try_get("", "recorded")?),
    })
}

/// Another name of the same form for each number of losses.
fn shift_epoch(epoch: String, lost: i64) -> String {
    match u32::from_str_radix(&epoch, 16) {
        Ok(number) if lost > 0 => {
            let lost = u32::try_from(lost).unwrap_or(u32::MAX);
            format!("{:08x}", number.wrapping_add(lost))
        }
        _ => epoch,
    }
}

/// Whether the database user may read the feed's tables, give events their positions and drop old
/// ones.
async fn may_use_feed(db: &Db) -> Result<bool> {
    match db.backend() {
        // Files have no users.
        DbBackend::Sqlite => Ok(true),
        DbBackend::MySql => {
            for statement in STATEMENTS {
                let explain = format!("EXPLAIN {statement}");
                let explained = db.watcher.execute_unprepared(&explain).await;
                if explained.is_err_and(|e| DbErrorKind::of(&e) == DbErrorKind::Denied) {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        // PostgreSQL is asked for the rights: a statement that it refused would fill its log.
        _ => {
            let sql = "SELECT bool_and(has_table_privilege(name, verb)) AS may FROM (VALUES \
                 ('graphql_lost', 'SELECT'), ('graphql_feed', 'SELECT'), ('graphql_feed', 'UPDATE'), \
                 ('graphql_events', 'SELECT'), ('graphql_events', 'UPDATE'), ('graphql_events', 'DELETE') \
                 ) AS needed (name, verb)";
            let statement = Statement::from_string(db.backend(), sql);
            let row = db.watcher.query_one_raw(statement).await?;
            Ok(row.ok_or(Error::FeedDetached)?.try_get("", "may")?)
        }
    }
}
