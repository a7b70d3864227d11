//! The triggers of the feed, and the functions that they call on PostgreSQL.

use sea_orm_migration::sea_orm::DbBackend;

use super::{
    FeedObject, FeedOwner, ObjectKind,
    recording::{Recording, recordings},
};
use crate::noun::Noun;

/// What records the changes of a noun.
pub(super) fn triggers(backend: DbBackend, noun: Noun, owner: FeedOwner) -> Vec<FeedObject> {
    let recordings = recordings(noun);
    let record = |r: &Recording| r.statement(backend, noun, owner.has_lock_durations());
    let mut objects = Vec::new();
    if backend == DbBackend::Postgres {
        objects.extend(
            recordings
                .iter()
                .map(|r| function(r, noun, &record(r), owner)),
        );
    }
    objects.extend(
        recordings
            .iter()
            .map(|r| trigger(backend, r, noun, &record(r), owner)),
    );
    objects
}

/// What PostgreSQL's triggers call. It keeps the search path of its creation, whatever path a later
/// writer has.
fn function(recording: &Recording, noun: Noun, record: &str, owner: FeedOwner) -> FeedObject {
    let name = recording.trigger;
    let (rights, rescue) = match owner {
        FeedOwner::Us => ("", ""),
        // With the rights of the user who attached: Buildbot's user may have none on our tables.
        FeedOwner::Buildbot { .. } => (
            "SECURITY DEFINER ",
            "EXCEPTION WHEN OTHERS THEN \
                 BEGIN INSERT INTO graphql_lost DEFAULT VALUES; EXCEPTION WHEN OTHERS THEN NULL; END; \
                 RETURN NULL; ",
        ),
    };
    FeedObject {
        kind: ObjectKind::Function,
        name,
        noun: Some(noun),
        make: vec![format!(
            "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {rights}SET search_path FROM CURRENT AS \
             $$ BEGIN {record}; RETURN NULL; {rescue}END $$"
        )],
        drop: format!("DROP FUNCTION IF EXISTS {name}()"),
    }
}

/// A trigger that records each change after it is made.
fn trigger(
    backend: DbBackend,
    recording: &Recording,
    noun: Noun,
    record: &str,
    owner: FeedOwner,
) -> FeedObject {
    let Recording {
        trigger: name,
        table,
        change,
        ..
    } = *recording;
    let create = format!("CREATE TRIGGER {name} AFTER {change} ON {table}");
    let (make, drop) = match (backend, owner) {
        (DbBackend::Sqlite, _) => (
            vec![format!("{create} BEGIN {record}; END")],
            format!("DROP TRIGGER IF EXISTS {name}"),
        ),
        (DbBackend::MySql, owner) => {
            let body = match owner {
                FeedOwner::Us => record.to_owned(),
                FeedOwner::Buildbot { .. } => format!(
                    "BEGIN \
                     DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN \
                         DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN END; \
                         INSERT INTO graphql_lost () VALUES (); \
                     END; \
                     {record}; END"
                ),
            };
            let drop = format!("DROP TRIGGER IF EXISTS {name}");
            // On MariaDB a migration that broke off may have made it already.
            let make = vec![drop.clone(), format!("{create} FOR EACH ROW {body}")];
            (make, drop)
        }
        _ => (
            vec![format!("{create} FOR EACH ROW EXECUTE FUNCTION {name}()")],
            format!("DROP TRIGGER IF EXISTS {name} ON {table}"),
        ),
    };
    FeedObject {
        kind: ObjectKind::Trigger,
        name,
        noun: Some(noun),
        make,
        drop,
    }
}
