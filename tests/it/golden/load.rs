//! Puts the rows of a Buildbot master's SQLite file into a database of ours.

use std::path::Path;

use serde_json::Value;

use crate::{
    filter::seed::quote,
    support::{database::Database, sql::Sql},
};

/// What is served of the file, parents first.
const TABLES: [(&str, &str); 5] = [
    (
        "builders",
        "id, name, description, description_format, description_html, projectid, name_hash",
    ),
    ("tags", "id, name, name_hash"),
    ("builders_tags", "id, builderid, tagid"),
    (
        "builds",
        "id, number, builderid, buildrequestid, workerid, masterid, started_at, complete_at, locks_duration_s, state_string, results",
    ),
    (
        "steps",
        "id, number, name, buildid, started_at, locks_acquired_at, complete_at, state_string, results, urls_json, hidden",
    ),
];

/// SQLite alone keeps the names of steps that are too long.
pub(super) const FITS: &str = "WHERE length(name) <= 50";

/// Copies all rows of the file that fit, with their ids.
pub(super) async fn copy(file: &Path, to: &Sql) {
    let from = Sql::open(&Database::copy_of(file)).await;
    for (table, columns) in TABLES {
        let fits = if table == "steps" { FITS } else { "" };
        let rows = from
            .rows(&format!(
                "SELECT json_array({columns}) AS json FROM {table} {fits} ORDER BY id"
            ))
            .await;
        let literal = |value: &Value| match value.as_str() {
            Some(text) => quote(text),
            None => value.to_string(),
        };
        let row = |row: &Value| {
            let values: Vec<String> = row.as_array().unwrap().iter().map(literal).collect();
            format!("({})", values.join(", "))
        };
        let rows: Vec<String> = rows.iter().map(row).collect();
        to.run(&format!(
            "INSERT INTO {table} ({columns}) VALUES {}",
            rows.join(", ")
        ))
        .await;
    }
    to.ids_go_on().await;
}
