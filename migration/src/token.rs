//! The table of tokens, the same in our own database and in a Buildbot master's.

use sea_orm_migration::{
    prelude::{ColumnDef, Table},
    sea_orm::DbBackend,
};

use crate::feed::{FeedObject, table};

/// The table.
pub const TABLE: &str = "graphql_tokens";
/// The column that tables of earlier versions do not have.
pub const EXPIRES_AT: &str = "expires_at";

/// A token's name, the SHA-256 of its text in hexadecimal, what it may do, and when it was made and
/// expires, if ever, in seconds since the epoch. Without a number of its own: Buildbot's file would
/// get an `sqlite_sequence`, which could not be taken out again.
#[must_use]
pub fn tokens(backend: DbBackend) -> FeedObject {
    let mut hash = ColumnDef::new("hash").string_len(64).not_null().take();
    let mut name = ColumnDef::new("name").string_len(64).not_null().take();
    let tokens = Table::create()
        .table(TABLE)
        .col(hash.primary_key())
        .col(name.unique_key())
        .col(ColumnDef::new("scope").string_len(16).not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new(EXPIRES_AT).big_integer())
        .take();
    table(backend, TABLE, tokens)
}

/// The statement that adds the column to a table of an earlier version.
#[must_use]
pub fn add_expiry() -> String {
    format!("ALTER TABLE {TABLE} ADD COLUMN {EXPIRES_AT} bigint")
}
