//! The columns of logs, which a table of events from before there were such events does not have.

use sea_orm_migration::{
    prelude::{Alias, ColumnDef, DbErr, SchemaManager, Table},
    sea_orm::{ConnectionTrait, DbBackend},
};

/// The table that has them.
const TABLE: &str = "graphql_events";

/// A column that tells a table that has them from one that does not.
pub const LOGID: &str = "logid";

/// The columns that events of logs alone have.
pub(super) fn of_logs() -> Vec<ColumnDef> {
    vec![
        ColumnDef::new(LOGID).integer().take(),
        ColumnDef::new("slug").text().take(),
        ColumnDef::new("complete").small_integer().take(),
        ColumnDef::new("num_lines").integer().take(),
        ColumnDef::new("type").text().take(),
    ]
}

/// Adds those that the table of events does not have. Whether there was one.
///
/// # Errors
/// Those of the database. What was added stays, and a second run goes on.
pub async fn add_log_columns(manager: &SchemaManager<'_>) -> Result<bool, DbErr> {
    let mut missing = Vec::new();
    for column in of_logs() {
        if !manager.has_column(TABLE, column.get_column_name()).await? {
            missing.push(column);
        }
    }
    let backend = manager.get_database_backend();
    let was_missing = !missing.is_empty();
    if backend == DbBackend::Sqlite {
        // It takes one column a statement.
        for column in missing {
            add(manager, vec![column]).await?;
        }
    } else if was_missing {
        add(manager, missing).await?;
    }
    Ok(was_missing)
}

async fn add(manager: &SchemaManager<'_>, columns: Vec<ColumnDef>) -> Result<(), DbErr> {
    let mut events = Table::alter().table(Alias::new(TABLE)).take();
    for column in columns {
        events.add_column(column);
    }
    let sql = manager.get_database_backend().build(&events).sql;
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}
