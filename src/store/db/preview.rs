//! What opening a database to serve it would do, found out without changing or making anything.

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
    let location = DatabaseLocation::parse(config)?;
    let url = location.display_url.clone();
    if location.would_make_file() {
        refuse_pending(&url, &known_migrations(), applies_migrations)?;
        return Ok(DatabasePreview::Missing(url));
    }
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
    if let Some(reason) = location.read_only.filter(|_| !pending.is_empty()) {
        return Err(location.pending_error(&pending, &reason));
    }
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
