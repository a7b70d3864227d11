//! What opening a database to serve it would do, found out without changing or making anything.

use std::path::Path;

use sea_orm::{DbBackend, sqlx::sqlite::SqliteConnectOptions};

use crate::{
    config::database::DatabaseConfig,
    domain::command_error::CommandError,
    store::db::{
        location::DatabaseLocation,
        migrate::{known_migrations, pending_migrations},
        owner::{DatabaseOwner, find_owner},
        pool::purpose::Purpose,
    },
};

/// What a server would find; each with the URL for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DatabasePreview {
    /// No file yet: it would be made.
    Missing(String),
    Ours {
        url: String,
        /// The migrations that would be applied.
        pending: Vec<String>,
    },
    Buildbots(String),
}

/// Looks at a database.
///
/// # Errors
/// Every reason not to serve it.
pub(crate) async fn preview(
    config: &DatabaseConfig,
    applies_migrations: bool,
) -> Result<DatabasePreview, CommandError> {
    // Before `parse_existing`, which makes no file.
    let location = DatabaseLocation::parse(config)?;
    let url = location.display_url.clone();
    if is_to_be_made(&location, config)? {
        refuse_pending(&url, &known_migrations(), applies_migrations)?;
        return Ok(DatabasePreview::Missing(url));
    }
    let location = DatabaseLocation::parse_existing(config)?;
    if find_owner(&location, config).await? == DatabaseOwner::Buildbot {
        return Ok(DatabasePreview::Buildbots(url));
    }
    let db = location.open(config, Purpose::Inspect, 1).await?;
    let pending = pending_migrations(&db).await;
    if let Err(error) = db.close().await {
        tracing::debug!(%error, "the connection did not close cleanly");
    }
    let pending = pending.map_err(|e| location.open_error(&e))?;
    refuse_pending(&url, &pending, applies_migrations)?;
    Ok(DatabasePreview::Ours { url, pending })
}

fn refuse_pending(url: &str, pending: &[String], is_applied: bool) -> Result<(), CommandError> {
    if is_applied || pending.is_empty() {
        return Ok(());
    }
    Err(CommandError::Pending {
        url: url.to_owned(),
        pending: pending.to_vec(),
    })
}

/// Whether a database is a file that is not there and would be made.
fn is_to_be_made(
    location: &DatabaseLocation,
    config: &DatabaseConfig,
) -> Result<bool, CommandError> {
    let makes_file = config.database_url.contains("mode=rwc");
    if location.backend != DbBackend::Sqlite || !makes_file {
        return Ok(false);
    }
    let Ok(options) = config.database_url.parse::<SqliteConnectOptions>() else {
        return Ok(false);
    };
    let file = options.get_filename();
    if file.exists() {
        return Ok(false);
    }
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let reason = match folder.metadata() {
        Ok(found) if found.is_dir() && !found.permissions().readonly() => return Ok(true),
        Ok(found) if found.is_dir() => "its folder cannot be written to".to_owned(),
        Ok(_) => format!("{} is not a folder", folder.display()),
        Err(error) => format!("its folder {}: {error}", folder.display()),
    };
    Err(CommandError::Open {
        url: location.display_url.clone(),
        reason,
    })
}
