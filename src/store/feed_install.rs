//! What is ours in a Buildbot master's database, the change feed and the tokens: whether it is there, putting it in, and taking
//! it out again.
//! Nothing but our own tables and the triggers on `steps` is touched, and the master may run meanwhile.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use migration::{
    feed::{Home, Kind, Part, parts},
    token::tokens,
};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, FromQueryResult, Statement,
    TransactionTrait, TryGetable,
};
use tokio::time::sleep;

use crate::{
    config::database::DatabaseConfig,
    domain::error::{CommandError, Error},
    store::{
        Db, DbErrorKind,
        db::{
            connect::{self, DatabaseLocation},
            pool::Purpose,
        },
        to_write, trouble_of,
        unchecked_int::UncheckedInt,
    },
};

/// For how long it is tried to lock `steps`. Each try gives up soon, so that no writer queues behind it for long.
const PATIENCE: Duration = Duration::from_secs(20);
const RETRY: Duration = Duration::from_millis(100);
/// How many events go at a time before their table does, and the pause in which others write.
const BATCH: u64 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// What was changed in a Buildbot master's database: kinds and names, such as "table `graphql_feed`".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SchemaChanges {
    /// What was taken out.
    pub(crate) removed: Vec<String>,
    /// What was put in.
    pub(crate) added: Vec<String>,
}

impl Db {
    /// Puts the feed into a Buildbot master's database. Where it is whole already, nothing is changed; where a part of it is gone,
    /// changes have gone unheard, so all of it is made anew and the cursors of before are no longer good.
    ///
    /// # Errors
    /// The database is not Buildbot's, or the reason why nothing was added.
    pub(crate) async fn attach(config: &DatabaseConfig) -> Result<SchemaChanges, CommandError> {
        let session = InstallSession::open(config).await?;
        let changed = session.attach().await;
        session.close(changed).await
    }

    /// Takes the feed and the tokens out of a Buildbot master's database: its schema is what it was before.
    ///
    /// # Errors
    /// The database is not Buildbot's, or the reason why some of it is still there; run again, it goes on.
    pub(crate) async fn detach(config: &DatabaseConfig) -> Result<SchemaChanges, CommandError> {
        let session = InstallSession::open(config).await?;
        let mut all = session.parts.clone();
        all.push(tokens(session.db.get_database_backend()));
        let removed = session.remove(&all).await;
        let changed = removed.map(|removed| SchemaChanges {
            removed,
            ..SchemaChanges::default()
        });
        session.close(changed).await
    }
}

/// Something of the feed that stands in a database.
#[derive(FromQueryResult)]
struct FoundObject {
    kind: String,
    name: String,
    works: i32,
}

impl FoundObject {
    fn is(&self, part: &Part) -> bool {
        self.kind == part.kind.name() && self.name == part.name
    }
}

async fn found(db: &impl ConnectionTrait) -> Result<Vec<FoundObject>, DbErr> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Sqlite => {
            "SELECT type AS kind, name, 1 AS works FROM sqlite_master \
             WHERE type = 'table' OR (type = 'trigger' AND tbl_name = 'steps')"
        }
        DbBackend::MySql => {
            "SELECT 'table' AS kind, CAST(table_name AS CHAR) AS name, 1 AS works FROM information_schema.tables \
             WHERE table_schema = DATABASE() \
             UNION ALL SELECT 'trigger', CAST(trigger_name AS CHAR), 1 FROM information_schema.triggers \
             WHERE trigger_schema = DATABASE() AND event_object_table = 'steps'"
        }
        // A trigger can be switched off.
        _ => {
            "SELECT 'table' AS kind, CAST(tablename AS text) AS name, 1 AS works FROM pg_tables \
             WHERE schemaname = current_schema() \
             UNION ALL SELECT 'function', CAST(proname AS text), 1 FROM pg_proc \
             WHERE pronamespace = to_regnamespace(current_schema()) \
             UNION ALL SELECT 'trigger', CAST(tgname AS text), CASE WHEN tgenabled IN ('O', 'A') THEN 1 ELSE 0 END FROM pg_trigger \
             WHERE tgrelid = to_regclass('steps')"
        }
    };
    FoundObject::find_by_statement(Statement::from_string(backend, sql))
        .all(db)
        .await
}

fn is_whole(parts: &[Part], found: &[FoundObject]) -> bool {
    let works = |part| found.iter().any(|f| f.is(part) && f.works == 1);
    parts.iter().all(works)
}

impl Db {
    /// Looks at what may change in a Buildbot master's database while it is served: its columns, and its feed. The name of the
    /// feed is part of its cursors.
    ///
    /// # Errors
    /// `FeedDetached` where there is no feed, or not the whole of it; `FeedDenied`; as every read, `Unavailable` or `Internal`.
    pub(crate) async fn look(&self) -> crate::domain::error::Result<String> {
        // Not one of the readers, who may be busy.
        let db = &self.watcher;
        if !self.is_ours {
            let has_waits = *connect::revision(db).await? >= *connect::WITH_LOCK_WAITS;
            self.has_lock_waits.store(has_waits, Ordering::Relaxed);
            if !is_whole(&parts(self.backend(), Home::Buildbots), &found(db).await?) {
                return Err(Error::FeedDetached);
            }
            if !self.may_use_feed().await? {
                return Err(Error::FeedDenied);
            }
        }
        // Where a change could not be recorded, the feed has another name from then on.
        let lost = if self.is_ours || self.backend() == DbBackend::Sqlite {
            "0"
        } else {
            "(SELECT COALESCE(MAX(id), 0) FROM graphql_lost)"
        };
        let sql = format!("SELECT epoch, {lost} AS lost FROM graphql_feed");
        let statement = Statement::from_string(self.backend(), sql);
        let row = db.query_one_raw(statement).await?;
        let row = row.ok_or(Error::FeedDetached)?;
        let epoch: String = row.try_get("", "epoch")?;
        let lost = UncheckedInt::try_get(&row, "", "lost")
            .map_err(DbErr::from)?
            .int();
        Ok(renamed(epoch, lost.unwrap_or_default()))
    }

    /// The database user may read the feed's tables, place events and drop old ones.
    async fn may_use_feed(&self) -> crate::domain::error::Result<bool> {
        let db = &self.watcher;
        match self.backend() {
            // Files have no users.
            DbBackend::Sqlite => Ok(true),
            // It has no such question. What a statement needs is needed to explain it too, even where nothing can be written.
            DbBackend::MySql => {
                for statement in [
                    "SELECT id FROM graphql_lost",
                    "UPDATE graphql_feed SET position = position",
                    "UPDATE graphql_step_events SET position = position",
                    "DELETE FROM graphql_step_events",
                ] {
                    let explained = db.execute_unprepared(&format!("EXPLAIN {statement}")).await;
                    if explained.is_err_and(|e| trouble_of(&e) == DbErrorKind::Denied) {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            // Asked, not tried, since it would log each refusal.
            _ => {
                let sql = "SELECT bool_and(has_table_privilege(name, verb)) AS may FROM (VALUES \
                     ('graphql_lost', 'SELECT'), ('graphql_feed', 'SELECT'), ('graphql_feed', 'UPDATE'), \
                     ('graphql_step_events', 'SELECT'), ('graphql_step_events', 'UPDATE'), ('graphql_step_events', 'DELETE') \
                     ) AS needed (name, verb)";
                let statement = Statement::from_string(self.backend(), sql);
                let row = db.query_one_raw(statement).await?;
                Ok(row.ok_or(Error::FeedDetached)?.try_get("", "may")?)
            }
        }
    }
}

/// Another name of the same form for each number of losses.
fn renamed(epoch: String, lost: i64) -> String {
    match u32::from_str_radix(&epoch, 16) {
        Ok(number) if lost > 0 => {
            let lost = u32::try_from(lost).unwrap_or(u32::MAX);
            format!("{:08x}", number.wrapping_add(lost))
        }
        _ => epoch,
    }
}

/// The one connection that changes the schema.
pub(crate) struct InstallSession {
    db: DatabaseConnection,
    place: DatabaseLocation,
    parts: Vec<Part>,
}

impl InstallSession {
    pub(crate) async fn open(config: &DatabaseConfig) -> Result<Self, CommandError> {
        let place = DatabaseLocation::existing(config)?;
        place.expect_buildbots(config).await?;
        let db = place.pool(config, Purpose::Attach, 1).await?;
        let parts = parts(db.get_database_backend(), Home::Buildbots);
        Ok(Self { db, place, parts })
    }

    pub(crate) async fn close<T>(self, outcome: Result<T, DbErr>) -> Result<T, CommandError> {
        if let Err(error) = self.db.close().await {
            tracing::debug!(%error, "the connection did not close cleanly");
        }
        outcome.map_err(|e| self.place.cannot_change(&e))
    }

    async fn attach(&self) -> Result<SchemaChanges, DbErr> {
        if self.is_whole().await? {
            return Ok(SchemaChanges::default());
        }
        let removed = self.remove(&self.parts).await?;
        let make: Vec<&str> = self
            .parts
            .iter()
            .flat_map(|part| part.make.iter().map(String::as_str))
            .collect();
        if let Err(error) = self.make(&make).await {
            // Somebody else attached it at the same time.
            if self.is_whole().await? {
                return Ok(SchemaChanges::default());
            }
            // MariaDB has committed each statement by itself.
            self.remove(&self.parts).await?;
            return Err(error);
        }
        Ok(SchemaChanges {
            removed,
            added: self.parts.iter().map(shown).collect(),
        })
    }

    /// Makes the table of tokens, if it is not there.
    pub(crate) async fn add_tokens(&self) -> Result<SchemaChanges, DbErr> {
        let tokens = tokens(self.db.get_database_backend());
        if found(&self.db).await?.iter().any(|f| f.is(&tokens)) {
            return Ok(SchemaChanges::default());
        }
        self.run(&tokens.make).await?;
        Ok(SchemaChanges {
            added: vec![shown(&tokens)],
            ..SchemaChanges::default()
        })
    }

    async fn make(&self, statements: &[&str]) -> Result<(), DbErr> {
        self.run(statements).await?;
        if self.is_whole().await? {
            return Ok(());
        }
        Err(DbErr::Custom(
            "something else in it has the name of a part of the feed".to_owned(),
        ))
    }

    async fn is_whole(&self) -> Result<bool, DbErr> {
        Ok(is_whole(&self.parts, &found(&self.db).await?))
    }

    /// First the triggers, then the events in small batches, so that no writer waits for a large table to go, then the tables.
    async fn remove(&self, parts: &[Part]) -> Result<Vec<String>, DbErr> {
        let found = found(&self.db).await?;
        let here = |part: &&Part| found.iter().any(|f| f.is(part));
        let (tables, rest): (Vec<&Part>, Vec<&Part>) = parts
            .iter()
            .rev()
            .filter(here)
            .partition(|part| part.kind == Kind::Table);
        let drop =
            |parts: &[&Part]| -> Vec<String> { parts.iter().map(|p| p.drop.clone()).collect() };
        self.run(&drop(&rest)).await?;
        let is_sqlite = self.db.get_database_backend() == DbBackend::Sqlite;
        if is_sqlite && found.iter().any(|f| f.name == "graphql_step_events") {
            self.empty().await?;
        }
        self.run(&drop(&tables)).await?;
        Ok([rest, tables].concat().into_iter().map(shown).collect())
    }

    async fn empty(&self) -> Result<(), DbErr> {
        let oldest = format!(
            "DELETE FROM graphql_step_events WHERE id IN (SELECT id FROM graphql_step_events ORDER BY id LIMIT {BATCH})"
        );
        while self.db.execute_unprepared(&oldest).await?.rows_affected() == BATCH {
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Runs the statements in one transaction, and that again while others hold what it needs. MariaDB ends a transaction at
    /// each change of the schema, so there each statement is one.
    async fn run(&self, statements: &[impl AsRef<str> + Sync]) -> Result<(), DbErr> {
        let until = Instant::now() + PATIENCE;
        let at_once = match self.db.get_database_backend() {
            DbBackend::MySql => 1,
            _ => statements.len().max(1),
        };
        for statements in statements.chunks(at_once) {
            while let Err(error) = self.try_run(statements).await {
                let passes = matches!(
                    trouble_of(&error),
                    DbErrorKind::Conflict | DbErrorKind::Passing
                );
                if !passes || Instant::now() >= until {
                    return Err(error);
                }
                sleep(RETRY).await;
            }
        }
        Ok(())
    }

    async fn try_run(&self, statements: &[impl AsRef<str> + Sync]) -> Result<(), DbErr> {
        let txn = self.db.begin_with_options(to_write()).await?;
        for statement in statements {
            txn.execute_unprepared(statement.as_ref()).await?;
        }
        txn.commit().await
    }
}

fn shown(part: &Part) -> String {
    format!("{} {}", part.kind.name(), part.name)
}
