//! The change feed: triggers on `steps` write one event per change, in the transaction that makes
//! it.
//!
//! The same objects stand in our own database and in a Buildbot master's that is attached. So the
//! triggers read only NEW and OLD, nothing in them can refuse a write (no constraint, no foreign
//! key), and no writer waits for another: on PostgreSQL and MariaDB, where transactions end in
//! another order than they began, an event gets its position only after its commit, from the server
//! that reads the feed.

use std::hash::{BuildHasher, Hasher, RandomState};

use sea_orm_migration::{
    prelude::{ColumnDef, Table, TableCreateStatement},
    sea_orm::DbBackend,
};

use crate::{long_text, with_table_options};

/// Whose database the feed is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedOwner {
    /// Ours: what cannot be recorded must not be written either.
    Us,
    /// A Buildbot master's: whatever happens to the feed, Buildbot's writes go on.
    Buildbot,
}

/// What kind of object it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A table.
    Table,
    /// A function that a trigger calls; on PostgreSQL.
    Function,
    /// A trigger on `steps`.
    Trigger,
}

impl ObjectKind {
    /// Its name in SQL and for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Function => "function",
            Self::Trigger => "trigger",
        }
    }
}

/// An object of the feed, or the table of tokens beside it.
#[derive(Clone, Debug)]
pub struct FeedObject {
    /// What it is.
    pub kind: ObjectKind,
    /// What it is called.
    pub name: &'static str,
    /// The statements that make it.
    pub make: Vec<String>,
    /// The statement that drops it.
    pub drop: String,
}

/// The columns of `steps` that an event carries, by their names there and in the event.
const CARRIED_COLUMNS: [(&str, &str); 11] = [
    ("id", "stepid"),
    ("number", "number"),
    ("name", "name"),
    ("buildid", "buildid"),
    ("started_at", "started_at"),
    ("locks_acquired_at", "locks_acquired_at"),
    ("complete_at", "complete_at"),
    ("state_string", "state_string"),
    ("results", "results"),
    ("urls_json", "urls_json"),
    ("hidden", "hidden"),
];

/// Everything that the feed is made of, in the order in which it is made.
#[must_use]
pub fn feed_objects(backend: DbBackend, owner: FeedOwner) -> Vec<FeedObject> {
    let mut objects = vec![
        table(backend, "graphql_step_events", events(backend)),
        feed(backend),
    ];
    if owner == FeedOwner::Buildbot && backend != DbBackend::Sqlite {
        objects.push(table(backend, "graphql_lost", lost()));
    }
    let of_update = kind_of_update(backend);
    let triggers = [
        ("graphql_steps_insert", "INSERT", "1"),
        ("graphql_steps_update", "UPDATE", of_update.as_str()),
    ];
    // The triggers come last: it is they that lock `steps`.
    if backend == DbBackend::Postgres {
        for (name, _, kind) in triggers {
            objects.push(function(name, &record(backend, kind), owner));
        }
    }
    for (name, event, kind) in triggers {
        objects.push(trigger(backend, name, event, &record(backend, kind), owner));
    }
    objects
}

pub(crate) fn table(
    backend: DbBackend,
    name: &'static str,
    table: TableCreateStatement,
) -> FeedObject {
    FeedObject {
        kind: ObjectKind::Table,
        name,
        make: vec![backend.build(&with_table_options(backend, table)).sql],
        drop: format!("DROP TABLE {name}"),
    }
}

fn events(backend: DbBackend) -> TableCreateStatement {
    let mut id = ColumnDef::new("id");
    if backend == DbBackend::Sqlite {
        // The next id is one more than the greatest. The newest event always stays, so none is
        // given twice, and Buildbot's file gets no `sqlite_sequence`, which could not be taken out
        // again.
        id.integer();
    } else {
        id.big_integer().auto_increment();
    }
    let mut table = Table::create()
        .table("graphql_step_events")
        .col(id.not_null().primary_key())
        .col(ColumnDef::new("kind").small_integer())
        .col(ColumnDef::new("occurred_at").big_integer())
        .col(ColumnDef::new("stepid").integer())
        .col(ColumnDef::new("number").integer())
        .col(ColumnDef::new("name").text())
        .col(ColumnDef::new("buildid").integer())
        .col(ColumnDef::new("started_at").big_integer())
        .col(ColumnDef::new("locks_acquired_at").big_integer())
        .col(ColumnDef::new("complete_at").big_integer())
        .col(long_text(backend, "state_string"))
        .col(ColumnDef::new("results").integer())
        .col(long_text(backend, "urls_json"))
        .col(ColumnDef::new("hidden").small_integer())
        .take();
    if backend != DbBackend::Sqlite {
        // Null until the event has its position in the feed.
        table.col(ColumnDef::new("position").big_integer().unique_key());
    }
    table
}

/// The feed's name, part of every cursor, so that a cursor of another database is not taken for one
/// of this, and the last position that was given out.
fn feed(backend: DbBackend) -> FeedObject {
    let mut epoch = ColumnDef::new("epoch").string_len(16).not_null().take();
    if backend != DbBackend::Sqlite {
        // Clusters of MariaDB want a key.
        epoch.primary_key();
    }
    let mut feed = Table::create().table("graphql_feed").col(epoch).take();
    if backend != DbBackend::Sqlite {
        feed.col(
            ColumnDef::new("position")
                .big_integer()
                .not_null()
                .default(0),
        );
    }
    let mut object = table(backend, "graphql_feed", feed);
    // Random, as the hasher's keys are; 32 bits are eight hexadecimal digits.
    let epoch = RandomState::new().build_hasher().finish() >> 32;
    // Emptied first: on MariaDB a migration that broke off may have left its row.
    object.make.extend([
        "DELETE FROM graphql_feed".to_owned(),
        format!("INSERT INTO graphql_feed (epoch) VALUES ('{epoch:08x}')"),
    ]);
    object
}

/// A row for each change that could not be recorded.
fn lost() -> TableCreateStatement {
    let id = ColumnDef::new("id")
        .big_integer()
        .not_null()
        .auto_increment()
        .primary_key()
        .take();
    Table::create().table("graphql_lost").col(id).take()
}

/// The kind of a change, as far as the values tell: 4 finished, 2 started, 3 any other. The server
/// corrects the kind of its own writes where they change no value, such as finishing twice.
fn kind_of_update(backend: DbBackend) -> String {
    let changed = |column: &str| match backend {
        // SQLite knows IS DISTINCT FROM since 3.39; a Buildbot master may bring an older one.
        DbBackend::Sqlite => format!("OLD.{column} IS NOT NEW.{column}"),
        DbBackend::MySql => format!("NOT (OLD.{column} <=> NEW.{column})"),
        _ => format!("OLD.{column} IS DISTINCT FROM NEW.{column}"),
    };
    format!(
        "CASE WHEN NEW.complete_at IS NOT NULL AND ({} OR {} OR {}) THEN 4 \
         WHEN NEW.started_at IS NOT NULL AND {} THEN 2 ELSE 3 END",
        changed("complete_at"),
        changed("results"),
        changed("hidden"),
        changed("started_at"),
    )
}

/// The seconds since the epoch by the database's clock.
fn now(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "CAST(strftime('%s', 'now') AS INTEGER)",
        DbBackend::MySql => "UNIX_TIMESTAMP()",
        // A cast alone would round; `now()` would be the start of the transaction.
        _ => "CAST(floor(extract(epoch FROM clock_timestamp())) AS bigint)",
    }
}

/// The statement that records a change.
fn record(backend: DbBackend, kind: &str) -> String {
    let to: Vec<&str> = CARRIED_COLUMNS.iter().map(|(_, name)| *name).collect();
    let from: Vec<String> = CARRIED_COLUMNS
        .iter()
        .map(|(name, _)| format!("NEW.{name}"))
        .collect();
    format!(
        "INSERT INTO graphql_step_events (kind, occurred_at, {to}) VALUES ({kind}, {now}, {from})",
        to = to.join(", "),
        now = now(backend),
        from = from.join(", "),
    )
}

/// What PostgreSQL's triggers call. It keeps the search path of its creation, whatever path a later
/// writer has.
fn function(name: &'static str, record: &str, owner: FeedOwner) -> FeedObject {
    let (rights, rescue) = match owner {
        FeedOwner::Us => ("", ""),
        // With the rights of the user who attached: Buildbot's user may have none on our tables.
        FeedOwner::Buildbot => (
            "SECURITY DEFINER ",
            "EXCEPTION WHEN OTHERS THEN \
                 BEGIN INSERT INTO graphql_lost DEFAULT VALUES; EXCEPTION WHEN OTHERS THEN NULL; END; \
                 RETURN NULL; ",
        ),
    };
    FeedObject {
        kind: ObjectKind::Function,
        name,
        make: vec![format!(
            "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {rights}SET search_path FROM CURRENT AS \
             $$ BEGIN {record}; RETURN NULL; {rescue}END $$"
        )],
        drop: format!("DROP FUNCTION {name}()"),
    }
}

/// A trigger that records each change after it is made.
fn trigger(
    backend: DbBackend,
    name: &'static str,
    event: &str,
    record: &str,
    owner: FeedOwner,
) -> FeedObject {
    let create = format!("CREATE TRIGGER {name} AFTER {event} ON steps");
    let (make, drop) = match (backend, owner) {
        (DbBackend::Sqlite, _) => (
            vec![format!("{create} BEGIN {record}; END")],
            format!("DROP TRIGGER {name}"),
        ),
        (DbBackend::MySql, owner) => {
            let body = match owner {
                FeedOwner::Us => record.to_owned(),
                FeedOwner::Buildbot => format!(
                    "BEGIN \
                     DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN \
                         DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN END; \
                         INSERT INTO graphql_lost () VALUES (); \
                     END; \
                     {record}; END"
                ),
            };
            let make = vec![
                // On MariaDB a migration that broke off may have made it already.
                format!("DROP TRIGGER IF EXISTS {name}"),
                format!("{create} FOR EACH ROW {body}"),
            ];
            (make, format!("DROP TRIGGER {name}"))
        }
        _ => (
            vec![format!("{create} FOR EACH ROW EXECUTE FUNCTION {name}()")],
            format!("DROP TRIGGER {name} ON steps"),
        ),
    };
    FeedObject {
        kind: ObjectKind::Trigger,
        name,
        make,
        drop,
    }
}
