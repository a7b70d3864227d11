//! The feed: triggers on `builders`, `builds`, `steps` and `logs` write one event per change,
//! in the transaction that makes it.
//!
//! The same objects stand in our own database and in a Buildbot master's that is attached. So the
//! triggers read only NEW and OLD, nothing in them can refuse a write (no constraint, no foreign
//! key), and no writer waits for another: on PostgreSQL and MariaDB, where transactions end in
//! another order than they began, an event gets its position only after its commit, from the server
//! that reads the feed.

use sea_orm_migration::sea_orm::DbBackend;

use crate::noun::{Noun, NounSet};

pub mod columns;
pub mod earlier;
mod recording;
mod table;
mod trigger;

pub use recording::GAP;
pub(crate) use table::table;

/// Whose database the feed is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedOwner {
    /// Ours: what cannot be recorded must not be written either.
    Us,
    /// A Buildbot master's: whatever happens to the feed, Buildbot's writes go on.
    Buildbot {
        /// Whether its `builds` have `locks_duration_s`.
        has_lock_durations: bool,
    },
}

impl FeedOwner {
    fn has_lock_durations(self) -> bool {
        match self {
            Self::Us => true,
            Self::Buildbot { has_lock_durations } => has_lock_durations,
        }
    }
}

/// What kind of object it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A table.
    Table,
    /// A function that a trigger calls; on PostgreSQL.
    Function,
    /// A trigger on a noun's table.
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
    /// Whose changes it records; `None` for a table, which serves all nouns.
    pub noun: Option<Noun>,
    /// The statements that make it.
    pub make: Vec<String>,
    /// The statement that drops it.
    pub drop: String,
}

/// Everything that the feed is made of, in the order in which it is made.
#[must_use]
pub fn feed_objects(backend: DbBackend, owner: FeedOwner) -> Vec<FeedObject> {
    feed_objects_of(backend, owner, NounSet::ALL)
}

/// The same of a feed that records these nouns alone.
pub(crate) fn feed_objects_of(
    backend: DbBackend,
    owner: FeedOwner,
    nouns: NounSet,
) -> Vec<FeedObject> {
    let mut objects = vec![table::events(backend), table::feed(backend, nouns)];
    if owner != FeedOwner::Us && backend != DbBackend::Sqlite {
        objects.push(table::lost(backend));
    }
    // The triggers come last: it is they that lock a master's tables.
    for noun in nouns.iter() {
        objects.extend(trigger::triggers(backend, noun, owner));
    }
    objects
}

/// The statements that record a noun's changes from here on, where there were none before.
pub(crate) fn record(objects: &[FeedObject], noun: Noun) -> Vec<String> {
    let make = objects.iter().filter(|object| object.noun == Some(noun));
    // On MariaDB a migration that broke off may have run some of them.
    let mut statements: Vec<String> = make.flat_map(|object| object.make.clone()).collect();
    statements.push(recorded('+', noun, "="));
    statements
}

/// Adds a noun to those whose changes are recorded, or takes it out.
fn recorded(sign: char, noun: Noun, is_in: &str) -> String {
    let code = noun.code();
    format!(
        "UPDATE graphql_feed SET recorded = recorded {sign} {code} WHERE recorded & {code} {is_in} 0"
    )
}

/// The statements that record a noun's changes from here on, where some before were not recorded:
/// a reader that comes upon the gap is told.
#[must_use]
pub fn record_again(objects: &[FeedObject], backend: DbBackend, noun: Noun) -> Vec<String> {
    let (forget, remember) = (recorded('-', noun, "<>"), recorded('+', noun, "="));
    let gap = recording::gap(backend, noun);
    let make = objects.iter().filter(|object| object.noun == Some(noun));
    let make: Vec<String> = make.flat_map(|object| object.make.clone()).collect();
    if backend != DbBackend::MySql {
        return [vec![forget], make, vec![gap, remember]].concat();
    }
    // There each change of the schema ends the transaction, so a lock keeps changes out that would
    // come between the gap and the triggers. What is remembered says that nothing broke off.
    let tables = recording::tables(noun).map(|table| format!("{table} WRITE, "));
    let tables: String = tables.collect();
    let lock = format!("LOCK TABLES {tables}graphql_events WRITE, graphql_feed WRITE");
    let unlock = "UNLOCK TABLES".to_owned();
    let statements = [vec![lock, forget, gap], make, vec![remember, unlock]];
    vec![statements.concat().join("; ")]
}
