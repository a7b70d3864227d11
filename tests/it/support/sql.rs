//! Plain SQL on a database, as another process would run it.

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, QueryResult,
    Statement, sqlx::Row,
};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::{TIMEOUT, database::Database as Fresh};

/// A separate connection with the database's defaults.
pub(crate) struct Sql(DatabaseConnection);

/// The tables that number their rows.
const NUMBERED: [&str; 6] = [
    "builders",
    "tags",
    "builders_tags",
    "builds",
    "steps",
    "logs",
];

impl Sql {
    pub(crate) async fn open(database: &Fresh) -> Self {
        let mut options = ConnectOptions::new(database.url.replace("mode=rwc", "mode=rw"));
        options.max_connections(1).sqlx_logging(false);
        let sql = Self(Database::connect(options).await.unwrap());
        if sql.backend() == DbBackend::MySql {
            // Backslashes and zeros get their standard meaning, and recursion may go deep.
            sql.run(
                "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES,NO_AUTO_VALUE_ON_ZERO'), \
                 max_recursive_iterations = 100000",
            )
            .await;
        }
        sql
    }

    fn backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    /// Runs statements.
    pub(crate) async fn run(&self, sql: &str) {
        self.0.execute_unprepared(sql).await.unwrap();
    }

    /// Runs statements that the database may refuse, and returns whether it accepted them.
    pub(crate) async fn try_run(&self, sql: &str) -> bool {
        self.0.execute_unprepared(sql).await.is_ok()
    }

    async fn query(&self, sql: &str) -> Vec<QueryResult> {
        // Translates SQLite's functions to the other databases' names.
        let sql = match self.backend() {
            DbBackend::Postgres => sql
                .replace("json_array(", "json_build_array(")
                .replace("json_object(", "json_build_object("),
            _ => sql.to_owned(),
        };
        let statement = Statement::from_string(self.backend(), sql);
        self.0.query_all_raw(statement).await.unwrap()
    }

    /// The rows of a query whose only column is JSON named `json`, such as `SELECT json_array(id,
    /// name) AS json …`.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Value> {
        let text = |row: &QueryResult| match row.try_as_pg_row() {
            // MariaDB's JSON is text under another type name.
            Some(row) => row.try_get_unchecked("json").unwrap(),
            None => row.try_get::<String>("", "json").unwrap(),
        };
        let rows = self.query(sql).await;
        rows.iter()
            .map(|row| serde_json::from_str(&text(row)).unwrap())
            .collect()
    }

    /// These bytes as a literal.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> String {
        let hex = hex::encode(bytes);
        match self.backend() {
            DbBackend::Postgres => format!("'\\x{hex}'"),
            _ => format!("x'{hex}'"),
        }
    }

    /// The number in the only column of a query, named `n`.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        // A length or a sum is of another type on each database.
        let int = match self.backend() {
            DbBackend::MySql => "SIGNED",
            _ => "bigint",
        };
        let sql = format!("SELECT CAST(n AS {int}) AS n FROM ({sql}) AS numbers");
        self.query(&sql).await[0].try_get("", "n").unwrap()
    }

    /// The column of `graphql_events` that holds an event's position.
    pub(crate) fn position_column(&self) -> &'static str {
        match self.backend() {
            DbBackend::Sqlite => "id",
            _ => "position",
        }
    }

    /// Makes automatic ids continue after rows with explicit ids.
    pub(crate) async fn advance_ids(&self) {
        if self.backend() == DbBackend::Postgres {
            for table in NUMBERED {
                self.run(&format!(
                    "SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM {table}), false)"
                ))
                .await;
            }
        }
    }

    /// Disables foreign keys on this connection, so that it can write a step without a build.
    pub(crate) async fn disable_foreign_keys(&self) {
        self.run(match self.backend() {
            DbBackend::Sqlite => "PRAGMA foreign_keys = OFF",
            DbBackend::MySql => "SET foreign_key_checks = 0",
            _ => "ALTER TABLE steps DROP CONSTRAINT steps_buildid_fkey",
        })
        .await;
    }

    /// Blocks every other writer of builders, builds and steps until this connection commits.
    pub(crate) async fn block_writers(&self) {
        self.run(match self.backend() {
            DbBackend::Sqlite => "BEGIN IMMEDIATE",
            DbBackend::MySql => {
                "BEGIN; SELECT id FROM builders FOR UPDATE; SELECT id FROM builds FOR UPDATE; SELECT id FROM steps FOR UPDATE"
            }
            _ => "BEGIN; LOCK TABLE builders, builds, steps IN EXCLUSIVE MODE",
        })
        .await;
    }

    /// Waits until a connection waits for another's lock. On SQLite, which does not report that,
    /// waits a moment.
    pub(crate) async fn wait_until_blocked(&self) {
        let waiting = match self.backend() {
            DbBackend::Sqlite => return sleep(TIMEOUT / 40).await,
            DbBackend::MySql => {
                "SELECT COUNT(*) AS n FROM information_schema.innodb_trx t \
                 JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id \
                 WHERE p.db = DATABASE() AND t.trx_state = 'LOCK WAIT'"
            }
            _ => {
                "SELECT COUNT(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            }
        };
        timeout(TIMEOUT, async {
            while self.number(waiting).await == 0 {
                // MariaDB refreshes this table only after 0.1 s without a query.
                sleep(TIMEOUT / 100).await;
            }
        })
        .await
        .unwrap();
    }

    /// Kills every other connection to the database.
    pub(crate) async fn kill_other_connections(&self) {
        if self.backend() == DbBackend::MySql {
            let others = "SELECT json_array(id) AS json FROM information_schema.processlist \
                          WHERE db = DATABASE() AND id <> CONNECTION_ID()";
            for other in self.rows(others).await {
                self.try_run(&format!("KILL {}", other[0])).await;
            }
        } else {
            self.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
        }
    }
}
