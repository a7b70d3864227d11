//! Taking over the feed of an earlier version, which recorded the changes of steps alone. Its
//! events keep their positions, so the cursors of its clients stay good.

use sea_orm_migration::{
    prelude::{Alias, DbErr, SchemaManager, Table},
    sea_orm::{ConnectionTrait, DbBackend},
};

use super::{FeedObject, FeedOwner, columns::of_logs, feed_objects, table};
use crate::noun::Noun;

/// What its table of events was called.
pub const TABLE: &str = "graphql_step_events";

/// Takes the earlier feed over, if the database has it. Only steps are recorded then, if they were:
/// a trigger may have been missing.
///
/// No change of a step goes unrecorded meanwhile: SQLite and PostgreSQL run this in the caller's
/// transaction, and MariaDB and MySQL, where it ends any transaction, under a lock.
///
/// # Errors
/// Those of the database. On MariaDB and MySQL a part may be done, and a second run goes on.
pub async fn take_over(
    manager: &SchemaManager<'_>,
    owner: FeedOwner,
    were_recorded: bool,
) -> Result<bool, DbErr> {
    if !manager.has_table(TABLE).await? {
        return Ok(false);
    }
    let (db, backend) = (manager.get_connection(), manager.get_database_backend());
    if backend == DbBackend::Postgres {
        // First, as writers lock it before the events: in another order, one would wait for the
        // other.
        db.execute_unprepared("LOCK TABLE steps IN ACCESS EXCLUSIVE MODE")
            .await?;
    }
    if manager.has_table("graphql_events").await? {
        // The earlier version has made its feed anew beside this one, which is out of date.
        db.execute_unprepared("DROP TABLE graphql_events").await?;
    }
    let mut feed = Table::alter().table(Alias::new("graphql_feed")).take();
    if !manager.has_column("graphql_feed", "recorded").await? {
        db.execute_unprepared(&backend.build(feed.add_column(table::recorded())).sql)
            .await?;
    }
    for column in table::columns_since_0_1().into_iter().chain(of_logs()) {
        if manager.has_column(TABLE, column.get_column_name()).await? {
            continue;
        }
        let mut events = Table::alter().table(Alias::new(TABLE)).take();
        db.execute_unprepared(&backend.build(events.add_column(column)).sql)
            .await?;
    }
    let objects = feed_objects(backend, owner);
    let steps: Vec<_> = objects
        .iter()
        .filter(|o| o.noun == Some(Noun::Step))
        .collect();
    let done = db
        .execute_unprepared(&statements(backend, &steps, were_recorded).join("; "))
        .await;
    if backend == DbBackend::MySql && done.is_err() {
        db.execute_unprepared(&unlock().join("; ")).await?;
    }
    done.map(|_| true)
}

/// Has the triggers on `steps` write into the table by its new name.
fn statements(backend: DbBackend, steps: &[&FeedObject], were_recorded: bool) -> Vec<String> {
    let is_locked = backend == DbBackend::MySql;
    let lock = [
        "SET @lock_wait = @@SESSION.lock_wait_timeout".to_owned(),
        format!("LOCK TABLES steps WRITE, {TABLE} WRITE, graphql_feed WRITE"),
        // Whoever looks at a table now is soon gone, and a part of the rest would leave a gap.
        "SET SESSION lock_wait_timeout = 10".to_owned(),
    ];
    let recorded = format!("UPDATE graphql_feed SET recorded = {}", Noun::Step.code());
    let mut all = Vec::new();
    if is_locked {
        all.extend(lock);
    }
    // PostgreSQL drops a function only after the triggers that call it. On MariaDB making a trigger
    // drops that of its name.
    all.extend(
        steps
            .iter()
            .rev()
            .filter(|_| !is_locked)
            .map(|o| o.drop.clone()),
    );
    all.push(format!("ALTER TABLE {TABLE} RENAME TO graphql_events"));
    all.extend(steps.iter().flat_map(|object| object.make.clone()));
    all.extend(were_recorded.then_some(recorded));
    if is_locked {
        all.extend(unlock());
    }
    all
}

fn unlock() -> [String; 2] {
    [
        "UNLOCK TABLES".to_owned(),
        "SET SESSION lock_wait_timeout = @lock_wait".to_owned(),
    ]
}
