//! Which column holds an event's position.
//!
//! On SQLite, which has one writer at a time, an event's position is its id. Elsewhere ids are
//! taken while transactions run, and become visible in any order; there the sequencer gives
//! positions after the commit, in a column of their own.

use sea_orm::{DbBackend, sea_query::Expr};

/// The table of events.
const TABLE: &str = "graphql_events";

/// The column that holds an event's position.
pub(crate) fn position_column(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "id",
        _ => "position",
    }
}

/// The same as an expression.
pub(crate) fn position_expr(backend: DbBackend) -> Expr {
    Expr::col((TABLE, position_column(backend)))
}
