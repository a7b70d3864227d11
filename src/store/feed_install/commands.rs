//! The commands `attach` and `detach`.

use migration::token::tokens;

use crate::{
    config::database::DatabaseConfig,
    domain::command_error::CommandError,
    store::feed_install::{changes::SchemaChanges, session::InstallSession},
};

/// Puts the feed into a Buildbot master's database. A whole feed is left alone. Where the triggers
/// of a noun are missing, they are put back, and cursors from before that expire for it; where a
/// table is missing, the feed is made anew.
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
    let changed = async {
        // So that what is to go has its present names.
        session.take_over().await?;
        Ok(SchemaChanges {
            removed: session.remove(&all).await?,
            ..SchemaChanges::default()
        })
    };
    let changed = changed.await;
    session.close(changed).await
}
