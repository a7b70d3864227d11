//! Plain SQL on a database file, as another process would run it.

use std::path::Path;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, FromQueryResult, Statement,
};
use serde_json::Value;

/// A connection of its own, with SQLite's defaults.
pub(crate) struct Sql(DatabaseConnection);

#[derive(FromQueryResult)]
struct Row {
    json: String,
}

impl Sql {
    pub(crate) async fn open(file: &Path) -> Self {
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rw", file.display()));
        options.max_connections(1).sqlx_logging(false);
        Self(Database::connect(options).await.unwrap())
    }

    /// Runs statements.
    pub(crate) async fn run(&self, sql: &str) {
        self.0.execute_unprepared(sql).await.unwrap();
    }

    /// The rows of a query whose only column is JSON named `json`, such as `SELECT json_array(id, name) AS json …`.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Value> {
        let statement = Statement::from_string(self.0.get_database_backend(), sql);
        let rows = Row::find_by_statement(statement)
            .all(&self.0)
            .await
            .unwrap();
        rows.iter()
            .map(|row| serde_json::from_str(&row.json).unwrap())
            .collect()
    }

    /// The number that a query gives in its only column, named `n`.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(self.0.get_database_backend(), sql);
        let row = self.0.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get("", "n").unwrap()
    }
}
