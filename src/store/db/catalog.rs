//! Reads a database's own list of its tables, and other columns of text.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};

#[derive(FromQueryResult)]
struct TextRow {
    text: String,
}

/// The column `text` of a query.
pub(crate) async fn read_texts(db: &impl ConnectionTrait, sql: &str) -> Result<Vec<String>, DbErr> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = TextRow::find_by_statement(statement).all(db).await?;
    Ok(rows.into_iter().map(|row| row.text).collect())
}

/// The names of the tables.
pub(crate) async fn table_names(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => {
            "SELECT name AS text FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
        }
        DbBackend::MySql => {
            "SELECT table_name AS text FROM information_schema.tables WHERE table_schema = DATABASE()"
        }
        _ => {
            "SELECT CAST(tablename AS text) AS text FROM pg_tables WHERE schemaname = current_schema()"
        }
    };
    read_texts(db, sql).await
}
