//! The one connection that changes a Buildbot master's schema.

use std::time::{Duration, Instant};

use migration::{
    SchemaManager,
    feed::{
        FeedObject, FeedOwner, ObjectKind,
        columns::add_log_columns,
        earlier::{self, take_over},
        feed_objects, record_again,
    },
    noun::{Noun, NounSet},
    token::{EXPIRES_AT, TABLE, add_expiry, tokens},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, TransactionTrait};
use tokio::time::sleep;

use crate::{
    config::database::DatabaseConfig,
    domain::command_error::CommandError,
    store::{
        db::{
            error_kind::DbErrorKind,
            location::DatabaseLocation,
            migrate::migration_locks,
            owner::require_buildbots,
            pool::{purpose::Purpose, session::lock_wait_of_a_second},
            revision::{WITH_LOCK_DURATIONS, revision},
            transaction::write_options,
        },
        feed_install::{
            catalog::{has_tables, read_catalog, triggered},
            changes::{SchemaChanges, describe},
        },
    },
};

/// How long statements are retried. Each try gives up at once, so that no writer queues behind it.
const PATIENCE: Duration = Duration::from_secs(20);
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// After so long each try waits for its locks: what is read and written all the time is free in no
/// moment that one could find by chance.
const CHANCE: Duration = Duration::from_secs(5);
/// The pause after a try that waited, in which those who queued behind it go on.
const QUEUE_PAUSE: Duration = Duration::from_secs(2);
/// How many events are deleted at a time before their table is dropped.
const BATCH: u64 = 500;
/// The pause between two batches, in which others write.
const BATCH_PAUSE: Duration = Duration::from_millis(10);

/// A connection that changes the schema.
pub(crate) struct InstallSession {
    pub(crate) db: DatabaseConnection,
    location: DatabaseLocation,
    owner: FeedOwner,
    /// What the feed is made of.
    pub(crate) feed: Vec<FeedObject>,
}

impl InstallSession {
    /// Connects to a Buildbot master's database; others are refused.
    pub(crate) async fn open(config: &DatabaseConfig) -> Result<Self, CommandError> {
        let location = DatabaseLocation::parse_existing(config)?;
        require_buildbots(&location, config).await?;
        let db = location.open(config, Purpose::Install, 1).await?;
        if let (Some(lock), Some(_)) = migration_locks(db.get_database_backend()) {
            // Held until the connection ends: two sessions would undo each other's work.
            let locked = db.execute_unprepared(lock).await;
            locked.map_err(|e| location.change_error(&e))?;
        }
        let has_lock_durations =
            *revision(&db).await.map_err(|e| location.change_error(&e))? >= *WITH_LOCK_DURATIONS;
        let owner = FeedOwner::Buildbot { has_lock_durations };
        let feed = feed_objects(db.get_database_backend(), owner);
        Ok(Self {
            db,
            location,
            owner,
            feed,
        })
    }

    /// Ends the session, and turns the outcome into a command's.
    pub(crate) async fn close<T>(self, outcome: Result<T, DbErr>) -> Result<T, CommandError> {
        if let Err(error) = self.db.close().await {
            tracing::debug!(%error, "the connection did not close cleanly");
        }
        outcome.map_err(|e| self.location.change_error(&e))
    }

    /// Makes the feed, if it is not there, and records again what it does not record.
    pub(crate) async fn add_feed(&self) -> Result<SchemaChanges, DbErr> {
        let mut changes = SchemaChanges::default();
        if self.take_over().await? {
            changes.added.push("columns of graphql_events".to_owned());
        }
        if !has_tables(&self.feed, &read_catalog(&self.db).await?) {
            return self.make_feed_anew().await;
        }
        let add = async || add_log_columns(&SchemaManager::new(&self.db)).await;
        if self.retry(add).await? {
            changes.added.push("columns of logs".to_owned());
        }
        for noun in NounSet::ALL.without(self.recorded().await?).iter() {
            let of_noun: Vec<_> = self
                .feed
                .iter()
                .filter(|o| o.noun == Some(noun))
                .cloned()
                .collect();
            changes.removed.extend(self.remove(&of_noun).await?);
            self.run(&record_again(
                &self.feed,
                self.db.get_database_backend(),
                noun,
            ))
            .await?;
            changes.added.extend(of_noun.iter().map(describe));
        }
        self.expect_recorded().await?;
        Ok(changes)
    }

    /// Takes over the feed of an earlier version. Whether there was one, which a try that broke off
    /// may have renamed already.
    pub(crate) async fn take_over(&self) -> Result<bool, DbErr> {
        let look = async || SchemaManager::new(&self.db).has_table(earlier::TABLE).await;
        let was_there = self.retry(look).await?;
        let take = async || {
            let triggered = triggered(&self.feed, &read_catalog(&self.db).await?);
            let were_recorded = triggered.contains(Noun::Step);
            // There no transaction holds it together.
            if self.db.get_database_backend() == DbBackend::MySql {
                let manager = SchemaManager::new(&self.db);
                return take_over(&manager, self.owner, were_recorded).await;
            }
            let txn = self.db.begin_with_options(write_options()).await?;
            let taken = take_over(&SchemaManager::new(&txn), self.owner, were_recorded).await?;
            txn.commit().await?;
            Ok(taken)
        };
        self.retry(take).await?;
        Ok(was_there)
    }

    /// The nouns of which every change is recorded.
    async fn recorded(&self) -> Result<NounSet, DbErr> {
        let triggered = triggered(&self.feed, &read_catalog(&self.db).await?);
        let sql = "SELECT recorded FROM graphql_feed";
        let statement = Statement::from_string(self.db.get_database_backend(), sql);
        let row = self.db.query_one_raw(statement).await?;
        let codes = row.map_or(Ok(0), |row| row.try_get("", "recorded"))?;
        Ok(NounSet::from_codes(codes).intersection(triggered))
    }

    async fn make_feed_anew(&self) -> Result<SchemaChanges, DbErr> {
        let removed = self.remove(&self.feed).await?;
        if let Err(error) = self.make_feed().await {
            // Another `attach` may have made it at the same time.
            if self.expect_recorded().await.is_ok() {
                return Ok(SchemaChanges::default());
            }
            // MariaDB has committed each statement by itself.
            self.remove(&self.feed).await?;
            return Err(error);
        }
        Ok(SchemaChanges {
            removed,
            added: self.feed.iter().map(describe).collect(),
        })
    }

    /// Makes the table of tokens, if it is not there.
    pub(crate) async fn add_tokens(&self) -> Result<SchemaChanges, DbErr> {
        let tokens = tokens(self.db.get_database_backend());
        if read_catalog(&self.db).await?.iter().any(|e| e.is(&tokens)) {
            return self.add_token_expiry().await;
        }
        self.run(&tokens.make).await?;
        Ok(SchemaChanges {
            added: vec![describe(&tokens)],
            ..SchemaChanges::default()
        })
    }

    /// Adds the column to a table of tokens of an earlier version.
    async fn add_token_expiry(&self) -> Result<SchemaChanges, DbErr> {
        let look = format!("SELECT {TABLE}.{EXPIRES_AT} FROM {TABLE} WHERE 1 = 0");
        match self.db.execute_unprepared(&look).await {
            Ok(_) => Ok(SchemaChanges::default()),
            Err(error) if DbErrorKind::of(&error) == DbErrorKind::MissingColumn => {
                self.run(&[add_expiry()]).await?;
                Ok(SchemaChanges {
                    added: vec![format!("column {TABLE}.{EXPIRES_AT}")],
                    ..SchemaChanges::default()
                })
            }
            Err(error) => Err(error),
        }
    }

    async fn make_feed(&self) -> Result<(), DbErr> {
        let statements: Vec<&str> = self
            .feed
            .iter()
            .flat_map(|object| object.make.iter().map(String::as_str))
            .collect();
        self.run(&statements).await?;
        self.expect_recorded().await
    }

    /// Fails unless the feed is whole and records every noun.
    async fn expect_recorded(&self) -> Result<(), DbErr> {
        let has_tables = has_tables(&self.feed, &read_catalog(&self.db).await?);
        if has_tables && self.recorded().await? == NounSet::ALL {
            return Ok(());
        }
        Err(DbErr::Custom(
            "something else in it has the name of a part of the feed".to_owned(),
        ))
    }

    /// Removes those objects that are there, and returns what they were. First the triggers, then
    /// the events in small batches, so that no writer waits for a large table to go, then the
    /// tables.
    pub(crate) async fn remove(&self, objects: &[FeedObject]) -> Result<Vec<String>, DbErr> {
        let catalog = read_catalog(&self.db).await?;
        let is_there = |object: &&FeedObject| catalog.iter().any(|e| e.is(object));
        let (tables, rest): (Vec<&FeedObject>, Vec<&FeedObject>) = objects
            .iter()
            // PostgreSQL drops a function only after the triggers that call it.
            .rev()
            .filter(is_there)
            .partition(|object| object.kind == ObjectKind::Table);
        let drop = |objects: &[&FeedObject]| -> Vec<String> {
            objects.iter().map(|object| object.drop.clone()).collect()
        };
        self.run(&drop(&rest)).await?;
        let is_sqlite = self.db.get_database_backend() == DbBackend::Sqlite;
        if is_sqlite && tables.iter().any(|table| table.name == "graphql_events") {
            self.delete_events().await?;
        }
        self.run(&drop(&tables)).await?;
        Ok([rest, tables].concat().into_iter().map(describe).collect())
    }

    async fn delete_events(&self) -> Result<(), DbErr> {
        let oldest = format!(
            "DELETE FROM graphql_events WHERE id IN (SELECT id FROM graphql_events ORDER BY id LIMIT {BATCH})"
        );
        while self.db.execute_unprepared(&oldest).await?.rows_affected() == BATCH {
            sleep(BATCH_PAUSE).await;
        }
        Ok(())
    }

    /// Runs the statements in one transaction. MariaDB ends a transaction at each change of the
    /// schema, so there each statement is one.
    async fn run(&self, statements: &[impl AsRef<str> + Sync]) -> Result<(), DbErr> {
        let at_once = match self.db.get_database_backend() {
            DbBackend::MySql => 1,
            _ => statements.len().max(1),
        };
        for statements in statements.chunks(at_once) {
            self.retry(async || self.try_run(statements).await).await?;
        }
        Ok(())
    }

    /// Retries work while others hold what it needs.
    async fn retry<T>(&self, work: impl AsyncFn() -> Result<T, DbErr>) -> Result<T, DbErr> {
        let begun = Instant::now();
        let mut pause = RETRY_PAUSE;
        loop {
            let done = work().await;
            let may_pass = done.as_ref().is_err_and(|error| {
                let kind = DbErrorKind::of(error);
                matches!(kind, DbErrorKind::Conflict | DbErrorKind::Transient)
            });
            if !may_pass || begun.elapsed() >= PATIENCE {
                return done;
            }
            sleep(pause).await;
            if begun.elapsed() >= CHANCE {
                pause = QUEUE_PAUSE;
                if let Some(wait) = lock_wait_of_a_second(self.db.get_database_backend()) {
                    self.db.execute_unprepared(wait).await?;
                }
            }
        }
    }

    async fn try_run(&self, statements: &[impl AsRef<str> + Sync]) -> Result<(), DbErr> {
        let txn = self.db.begin_with_options(write_options()).await?;
        for statement in statements {
            txn.execute_unprepared(statement.as_ref()).await?;
        }
        txn.commit().await
    }
}
