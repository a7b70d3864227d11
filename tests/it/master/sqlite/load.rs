//! Copies the rows of a Buildbot master's SQLite file into one of our databases.

use std::path::Path;

use serde_json::Value;

use crate::{
    filter::seed::quote,
    support::{database::Database, sql::Sql},
};

/// The served tables of the file, parents first.
const TABLES: [(&str, &str); 6] = [
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
    ("logs", "id, name, slug, stepid, complete, num_lines, type"),
];

/// Tables that only a master's database has.
const MASTERS: [(&str, &str); 3] = [
    ("builder_masters", "id, builderid, masterid"),
    ("build_properties", "buildid, name, value, source"),
    ("workers", "id, name, info"),
];

/// Only SQLite stores step names that are too long.
pub(super) const FITS: &str = "WHERE length(name) <= 50";
const LOGS_THAT_FIT: &str = "WHERE stepid IN (SELECT id FROM steps WHERE length(name) <= 50)";

/// Copies all rows of the file that fit, with their ids.
pub(super) async fn copy(file: &Path, to: &Sql) {
    tables(file, to, &TABLES, true).await;
}

/// Copies every row, also those of the tables that only a master's database has.
pub(crate) async fn copy_all(file: &Path, to: &Sql) {
    tables(file, to, &[&TABLES[..], &MASTERS[..]].concat(), false).await;
}

async fn tables(file: &Path, to: &Sql, tables: &[(&str, &str)], only_what_fits: bool) {
    let from = Sql::open(&Database::copy_of(file)).await;
    for (table, columns) in tables {
        let fits = match *table {
            "steps" if only_what_fits => FITS,
            "logs" if only_what_fits => LOGS_THAT_FIT,
            _ => "",
        };
        let rows = from
            .rows(&format!(
                "SELECT json_array({columns}) AS json FROM {table} {fits} ORDER BY 1"
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
        if rows.is_empty() {
            continue;
        }
        to.run(&format!(
            "INSERT INTO {table} ({columns}) VALUES {}",
            rows.join(", ")
        ))
        .await;
    }
    let logs = if only_what_fits { LOGS_THAT_FIT } else { "" };
    chunks(&from, to, logs).await;
    to.advance_ids().await;
}

/// Copies the chunks of some logs.
async fn chunks(from: &Sql, to: &Sql, logs: &str) {
    let rows = from
        .rows(&format!(
            "SELECT json_array(logid, first_line, last_line, compressed, hex(content)) AS json FROM logchunks \
             WHERE logid IN (SELECT id FROM logs {logs})"
        ))
        .await;
    let row = |row: &Value| {
        let content = hex::decode(row[4].as_str().unwrap()).unwrap();
        let (logid, first, last, compressed) = (&row[0], &row[1], &row[2], &row[3]);
        let content = to.bytes(&content);
        format!("({logid}, {first}, {last}, {compressed}, {content})")
    };
    let rows: Vec<String> = rows.iter().map(row).collect();
    if !rows.is_empty() {
        to.run(&format!(
            "INSERT INTO logchunks (logid, first_line, last_line, compressed, content) VALUES {}",
            rows.join(", ")
        ))
        .await;
    }
}
