//! Whose a database is: ours, or a Buildbot master's.

use sea_orm::DatabaseConnection;

use crate::{
    config::database::DatabaseConfig,
    domain::command_error::CommandError,
    store::db::{
        catalog::table_names,
        location::DatabaseLocation,
        migrate::{applied_migrations, known_migrations},
        pool::purpose::Purpose,
        revision::{NEWEST_REVISION, OLDEST_REVISION, revision},
    },
};

/// Whose a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatabaseOwner {
    /// Ours, or empty and to be ours.
    Us,
    Buildbot,
}

/// Finds the owner of a database, without changing anything in it.
///
/// # Errors
/// It cannot be opened, belongs to another program, or has a schema that we cannot serve.
pub(crate) async fn find_owner(
    location: &DatabaseLocation,
    config: &DatabaseConfig,
) -> Result<DatabaseOwner, CommandError> {
    let db = location.open(config, Purpose::Inspect, 1).await?;
    let owner = inspect(location, &db).await;
    if let Err(error) = db.close().await {
        tracing::debug!(%error, "the first look did not close cleanly");
    }
    owner
}

/// Refuses a database that is not a Buildbot master's, of a revision that we know how to read.
pub(crate) async fn require_buildbots(
    location: &DatabaseLocation,
    config: &DatabaseConfig,
) -> Result<(), CommandError> {
    match find_owner(location, config).await? {
        DatabaseOwner::Buildbot => Ok(()),
        DatabaseOwner::Us => Err(CommandError::NotBuildbots {
            url: location.display_url.clone(),
        }),
    }
}

async fn inspect(
    location: &DatabaseLocation,
    db: &DatabaseConnection,
) -> Result<DatabaseOwner, CommandError> {
    let tables = table_names(db).await.map_err(|e| location.open_error(&e))?;
    let has = |name: &str| tables.iter().any(|t| t == name);
    if has("alembic_version") {
        let revision = revision(db).await.map_err(|e| location.open_error(&e))?;
        check_revision(location, &revision)?;
        return Ok(DatabaseOwner::Buildbot);
    }
    if has(migration::TABLE) {
        check_migrations(location, db).await?;
        return Ok(DatabaseOwner::Us);
    }
    // On MariaDB a first migration that broke off may have left tables of ours.
    match tables.iter().find(|t| !t.starts_with("graphql_")) {
        None => Ok(DatabaseOwner::Us),
        Some(table) => Err(CommandError::Open {
            url: location.display_url.clone(),
            reason: format!("it is another program's: it has a table {table:?}"),
        }),
    }
}

/// Refuses a schema of Buildbot's that is too old, and warns of one that is newer than we know.
fn check_revision(location: &DatabaseLocation, revision: &str) -> Result<(), CommandError> {
    // Revisions have three digits, so texts compare as numbers.
    if revision < OLDEST_REVISION {
        return Err(CommandError::Buildbot {
            url: location.display_url.clone(),
            advice: format!(
                "its schema has the revision {revision:?}, and {OLDEST_REVISION} is the oldest that has every \
                 column needed; run `buildbot upgrade-master` first"
            ),
        });
    }
    if revision > NEWEST_REVISION {
        tracing::warn!(
            revision,
            known = NEWEST_REVISION,
            "Buildbot's schema is newer than this program knows"
        );
    }
    Ok(())
}

/// Refuses a database of ours that a newer version of this program has changed.
async fn check_migrations(
    location: &DatabaseLocation,
    db: &DatabaseConnection,
) -> Result<(), CommandError> {
    let known = known_migrations();
    let applied = applied_migrations(db)
        .await
        .map_err(|e| location.open_error(&e))?;
    match applied.into_iter().find(|name| !known.contains(name)) {
        Some(migration) => Err(CommandError::Newer {
            url: location.display_url.clone(),
            migration,
        }),
        None => Ok(()),
    }
}
