//! The one connection that changes a Buildbot master's schema.

use std::time::{Duration, Instant};

use migration::{
    feed::{FeedObject, FeedOwner, ObjectKind, feed_objects},
    token::{EXPIRES_AT, TABLE, add_expiry, tokens},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, TransactionTrait};
use tokio::time::sleep;

use crate::{
    config::database::DatabaseConfig,
    domain::command_error::CommandError,
    store::{
        db::{
            error_kind::DbErrorKind, location::DatabaseLocation, owner::require_buildbots,
            pool::purpose::Purpose, transaction::write_options,
        },
        feed_install::{
            catalog::{is_whole, read_catalog},
            changes::{SchemaChanges, describe},
        },
    },
};

/// How long statements are retried. Each try gives up soon, so that no writer queues behind it for
/// long.
const PATIENCE: Duration = Duration::from_secs(20);
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How many events are deleted at a time before their table is dropped.
const BATCH: u64 = 500;
/// The pause between two batches, in which others write.
const BATCH_PAUSE: Duration = Duration::from_millis(10);

/// A connection that changes the schema.
pub(crate) struct InstallSession {
    pub(crate) db: DatabaseConnection,
    location: DatabaseLocation,
    /// What the feed is made of.
    pub(crate) feed: Vec<FeedObject>,
}

impl InstallSession {
    /// Connects to a Buildbot master's database; others are refused.
    pub(crate) async fn open(config: &DatabaseConfig) -> Result<Self, CommandError> {
        let location = DatabaseLocation::parse_existing(config)?;
        require_buildbots(&location, config).await?;
        let db = location.open(config, Purpose::Install, 1).await?;
        let feed = feed_objects(db.get_database_backend(), FeedOwner::Buildbot);
        Ok(Self { db, location, feed })
    }

    /// Ends the session, and turns the outcome into a command's.
    pub(crate) async fn close<T>(self, outcome: Result<T, DbErr>) -> Result<T, CommandError> {
        if let Err(error) = self.db.close().await {
            tracing::debug!(%error, "the connection did not close cleanly");
        }
        outcome.map_err(|e| self.location.change_error(&e))
    }

    /// Makes the feed, if it is not there whole.
    pub(crate) async fn add_feed(&self) -> Result<SchemaChanges, DbErr> {
        if self.has_whole_feed().await? {
            return Ok(SchemaChanges::default());
        }
        let removed = self.remove(&self.feed).await?;
        if let Err(error) = self.make_feed().await {
            // Another `attach` may have made it at the same time.
            if self.has_whole_feed().await? {
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
        if self.has_whole_feed().await? {
            return Ok(());
        }
        Err(DbErr::Custom(
            "something else in it has the name of a part of the feed".to_owned(),
        ))
    }

    async fn has_whole_feed(&self) -> Result<bool, DbErr> {
        Ok(is_whole(&self.feed, &read_catalog(&self.db).await?))
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
        if is_sqlite && catalog.iter().any(|e| e.name == "graphql_step_events") {
            self.delete_events().await?;
        }
        self.run(&drop(&tables)).await?;
        Ok([rest, tables].concat().into_iter().map(describe).collect())
    }

    async fn delete_events(&self) -> Result<(), DbErr> {
        let oldest = format!(
            "DELETE FROM graphql_step_events WHERE id IN (SELECT id FROM graphql_step_events ORDER BY id LIMIT {BATCH})"
        );
        while self.db.execute_unprepared(&oldest).await?.rows_affected() == BATCH {
            sleep(BATCH_PAUSE).await;
        }
        Ok(())
    }

    /// Runs the statements in one transaction, and retries it while others hold what it needs.
    /// MariaDB ends a transaction at each change of the schema, so there each statement is one.
    async fn run(&self, statements: &[impl AsRef<str> + Sync]) -> Result<(), DbErr> {
        let deadline = Instant::now() + PATIENCE;
        let at_once = match self.db.get_database_backend() {
            DbBackend::MySql => 1,
            _ => statements.len().max(1),
        };
        for statements in statements.chunks(at_once) {
            while let Err(error) = self.try_run(statements).await {
                let may_pass = matches!(
                    DbErrorKind::of(&error),
                    DbErrorKind::Conflict | DbErrorKind::Transient
                );
                if !may_pass || Instant::now() >= deadline {
                    return Err(error);
                }
                sleep(RETRY_PAUSE).await;
            }
        }
        Ok(())
    }

    async fn try_run(&self, statements: &[impl AsRef<str> + Sync]) -> Result<(), DbErr> {
        let txn = self.db.begin_with_options(write_options()).await?;
        for statement in statements {
            txn.execute_unprepared(statement.as_ref()).await?;
        }
        txn.commit().await
    }
}
