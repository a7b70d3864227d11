//! The feed's tables.

use std::hash::{BuildHasher, Hasher, RandomState};

use sea_orm_migration::{
    prelude::{ColumnDef, Table, TableCreateStatement},
    sea_orm::DbBackend,
};

use super::{FeedObject, ObjectKind, columns::of_logs};
use crate::{long_text, noun::NounSet, with_table_options};

pub(crate) fn table(
    backend: DbBackend,
    name: &'static str,
    table: TableCreateStatement,
) -> FeedObject {
    FeedObject {
        kind: ObjectKind::Table,
        name,
        noun: None,
        make: vec![backend.build(&with_table_options(backend, table)).sql],
        drop: format!("DROP TABLE {name}"),
    }
}

/// The columns that events of 0.1, which were of steps alone, did not have.
pub(super) fn columns_since_0_1() -> Vec<ColumnDef> {
    let step = crate::noun::Noun::Step.code();
    vec![
        ColumnDef::new("noun").small_integer().default(step).take(),
        ColumnDef::new("builderid").integer().take(),
        ColumnDef::new("buildrequestid").integer().take(),
        ColumnDef::new("workerid").integer().take(),
        ColumnDef::new("masterid").integer().take(),
        ColumnDef::new("locks_duration_s").integer().take(),
    ]
}

/// The table of events, whose columns are those of every noun. Each may be null, as nothing may
/// refuse a master's write.
pub(super) fn events(backend: DbBackend) -> FeedObject {
    let mut id = ColumnDef::new("id");
    if backend == DbBackend::Sqlite {
        // The next id is one more than the greatest. The newest event always stays, so none is
        // given twice, and Buildbot's file gets no `sqlite_sequence`, which could not be taken out
        // again.
        id.integer();
    } else {
        id.big_integer().auto_increment();
    }
    let mut events = Table::create()
        .table("graphql_events")
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
        events.col(ColumnDef::new("position").big_integer().unique_key());
    }
    for column in columns_since_0_1().into_iter().chain(of_logs()) {
        events.col(column);
    }
    table(backend, "graphql_events", events)
}

/// The column that says of which nouns every change is recorded: the sum of their codes.
pub(super) fn recorded() -> ColumnDef {
    ColumnDef::new("recorded")
        .small_integer()
        .not_null()
        .default(0)
        .take()
}

/// The feed's name, part of every cursor, so that a cursor of another database is not taken for one
/// of this, and the last position that was given out.
pub(super) fn feed(backend: DbBackend, nouns: NounSet) -> FeedObject {
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
    feed.col(recorded());
    let mut object = table(backend, "graphql_feed", feed);
    // Random, as the hasher's keys are; 32 bits are eight hexadecimal digits.
    let epoch = RandomState::new().build_hasher().finish() >> 32;
    let all = nouns.codes();
    // Emptied first: on MariaDB a migration that broke off may have left its row.
    object.make.extend([
        "DELETE FROM graphql_feed".to_owned(),
        format!("INSERT INTO graphql_feed (epoch, recorded) VALUES ('{epoch:08x}', {all})"),
    ]);
    object
}

/// A row for each change that could not be recorded.
pub(super) fn lost(backend: DbBackend) -> FeedObject {
    let id = ColumnDef::new("id")
        .big_integer()
        .not_null()
        .auto_increment()
        .primary_key()
        .take();
    table(
        backend,
        "graphql_lost",
        Table::create().table("graphql_lost").col(id).take(),
    )
}
