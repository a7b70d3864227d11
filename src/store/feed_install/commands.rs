//! The commands `attach` and `detach`.

use migration::token::tokens;

use crate::{
    config::database::DatabaseConfig,
    domain::command_error::CommandError,
    store::feed_install::{changes::SchemaChanges, session::InstallSession},
};

/// Puts the feed into a Buildbot master's database. A whole feed is left alone. If a part of it is
/// missing, changes have gone unrecorded, so the feed is made anew and older cursors expire.
///
/// # Errors
/// The database is not Buildbot's, or the reason why nothing was added.
pub(crate) async fn attach(config: &DatabaseConfig) -> Result<SchemaChanges, CommandError> {
    let session = InstallSession::open(config).await?;
    let changed = session.add_feed().await;
    session.close(changed).await
}

/// Takes the feed and the tokens out of a Buildbot master's database, whose schema is then what it
/// was before.
///
/// # Errors
/// The database is not Buildbot's, or the reason why a part is still there; a second run continues.
pub(crate) async fn detach(config: &DatabaseConfig) -> Result<SchemaChanges, CommandError> {
    let session = InstallSession::open(config).await?;
    let mut all = session.feed.clone();
    all.push(tokens(session.db.get_database_backend()));
    let removed = session.remove(&all).await;
    let changed = removed.map(|removed| SchemaChanges {
        removed,
        ..SchemaChanges::default()
    });
    session.close(changed).await
}
