//! What is recorded of each noun. To add a noun is to add its triggers here, and its columns to the
//! table of events.

use sea_orm_migration::sea_orm::DbBackend;

use crate::noun::Noun;

/// A trigger that records a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recording {
    /// The trigger's name.
    pub(super) trigger: &'static str,
    /// The table whose changes it records.
    pub(super) table: &'static str,
    /// INSERT, UPDATE or DELETE.
    pub(super) change: &'static str,
    kind: RecordedKind,
    /// The columns that the event carries, by their names in the table and in the event.
    columns: &'static [(&'static str, &'static str)],
}

/// The kind of the event.
#[derive(Clone, Copy, Debug)]
enum RecordedKind {
    New,
    Updated,
    /// As the values tell. The server corrects the kind of its own writes where they change no
    /// value, such as finishing twice.
    OfBuild,
    OfStep,
    OfLog,
}

const BUILDER: &[(&str, &str)] = &[("id", "builderid")];
const TAG: &[(&str, &str)] = &[("builderid", "builderid")];
const BUILD: &[(&str, &str)] = &[
    ("id", "buildid"),
    ("number", "number"),
    ("builderid", "builderid"),
    ("buildrequestid", "buildrequestid"),
    ("workerid", "workerid"),
    ("masterid", "masterid"),
    ("started_at", "started_at"),
    ("complete_at", "complete_at"),
    (LOCKS_DURATION_S, LOCKS_DURATION_S),
    ("state_string", "state_string"),
    ("results", "results"),
];
const STEP: &[(&str, &str)] = &[
    ("id", "stepid"),
    ("number", "number"),
    ("name", "name"),
    ("buildid", "buildid"),
    ("started_at", "started_at"),
    ("locks_acquired_at", "locks_acquired_at"),
    ("complete_at", "complete_at"),
    ("state_string", "state_string"),
    ("results", "results"),
    ("urls_json", "urls_json"),
    ("hidden", "hidden"),
];

const LOG: &[(&str, &str)] = &[
    ("id", "logid"),
    ("stepid", "stepid"),
    ("name", "name"),
    ("slug", "slug"),
    ("complete", "complete"),
    ("num_lines", "num_lines"),
    ("type", "type"),
];

/// A column that older revisions of Buildbot's `builds` do not have.
const LOCKS_DURATION_S: &str = "locks_duration_s";

/// The triggers of a noun. Each names NEW, OLD and our tables alone: one that named `builds` in its
/// body would break a Buildbot master's upgrade.
pub(super) fn recordings(noun: Noun) -> Vec<Recording> {
    use RecordedKind::{New, OfBuild, OfLog, OfStep, Updated};
    let recording = |trigger, table, change, kind, columns| Recording {
        trigger,
        table,
        change,
        kind,
        columns,
    };
    match noun {
        Noun::Builder => vec![
            recording(
                "graphql_builders_insert",
                "builders",
                "INSERT",
                New,
                BUILDER,
            ),
            recording(
                "graphql_builders_update",
                "builders",
                "UPDATE",
                Updated,
                BUILDER,
            ),
            recording(
                "graphql_builders_tags_insert",
                "builders_tags",
                "INSERT",
                Updated,
                TAG,
            ),
            recording(
                "graphql_builders_tags_delete",
                "builders_tags",
                "DELETE",
                Updated,
                TAG,
            ),
        ],
        Noun::Build => vec![
            recording("graphql_builds_insert", "builds", "INSERT", New, BUILD),
            recording("graphql_builds_update", "builds", "UPDATE", OfBuild, BUILD),
        ],
        Noun::Step => vec![
            recording("graphql_steps_insert", "steps", "INSERT", New, STEP),
            recording("graphql_steps_update", "steps", "UPDATE", OfStep, STEP),
        ],
        Noun::Log => vec![
            recording("graphql_logs_insert", "logs", "INSERT", New, LOG),
            recording("graphql_logs_update", "logs", "UPDATE", OfLog, LOG),
        ],
    }
}

/// The tables that hold a noun.
pub(super) fn tables(noun: Noun) -> impl Iterator<Item = &'static str> {
    let mut tables: Vec<_> = recordings(noun)
        .iter()
        .map(|recording| recording.table)
        .collect();
    tables.dedup();
    tables.into_iter()
}

impl Recording {
    /// The statement that records the change.
    pub(super) fn statement(
        &self,
        backend: DbBackend,
        noun: Noun,
        has_lock_durations: bool,
    ) -> String {
        let row = if self.change == "DELETE" {
            "OLD"
        } else {
            "NEW"
        };
        let columns = self.columns.iter();
        let columns = columns.filter(|(from, _)| has_lock_durations || *from != LOCKS_DURATION_S);
        let (from, to): (Vec<String>, Vec<&str>) = columns
            .map(|(from, to)| (format!("{row}.{from}"), *to))
            .unzip();
        format!(
            "INSERT INTO graphql_events (noun, kind, occurred_at, {to}) VALUES ({noun}, {kind}, {now}, {from})",
            noun = noun.code(),
            kind = self.kind.sql(backend),
            now = now(backend),
            to = to.join(", "),
            from = from.join(", "),
        )
    }
}

impl RecordedKind {
    /// 4 finished, 2 started, 1 new, 3 any other change.
    fn sql(self, backend: DbBackend) -> String {
        let changed = |column: &str| match backend {
            // SQLite knows IS DISTINCT FROM since 3.39; a Buildbot master may bring an older one.
            DbBackend::Sqlite => format!("OLD.{column} IS NOT NEW.{column}"),
            DbBackend::MySql => format!("NOT (OLD.{column} <=> NEW.{column})"),
            _ => format!("OLD.{column} IS DISTINCT FROM NEW.{column}"),
        };
        match self {
            Self::New => "1".to_owned(),
            Self::Updated => "3".to_owned(),
            Self::OfBuild => format!(
                "CASE WHEN NEW.complete_at IS NOT NULL AND ({} OR {}) THEN 4 ELSE 3 END",
                changed("complete_at"),
                changed("results"),
            ),
            Self::OfStep => format!(
                "CASE WHEN NEW.complete_at IS NOT NULL AND ({} OR {} OR {}) THEN 4 \
                 WHEN NEW.started_at IS NOT NULL AND {} THEN 2 ELSE 3 END",
                changed("complete_at"),
                changed("results"),
                changed("hidden"),
                changed("started_at"),
            ),
            Self::OfLog => format!(
                "CASE WHEN NEW.complete <> 0 AND {} THEN 4 ELSE 3 END",
                changed("complete"),
            ),
        }
    }
}

/// The seconds since the epoch by the database's clock.
fn now(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "CAST(strftime('%s', 'now') AS INTEGER)",
        DbBackend::MySql => "UNIX_TIMESTAMP()",
        // A cast alone would round; `now()` would be the start of the transaction.
        _ => "CAST(floor(extract(epoch FROM clock_timestamp())) AS bigint)",
    }
}

/// The statement that says in the feed that changes of a noun before it may be missing.
pub(super) fn gap(backend: DbBackend, noun: Noun) -> String {
    format!(
        "INSERT INTO graphql_events (noun, kind, occurred_at) VALUES ({}, {GAP}, {})",
        noun.code(),
        now(backend)
    )
}

/// The kind of an event that is no change: changes of its noun before it were not recorded.
pub const GAP: i16 = 5;
