//! Creates, lists and revokes tokens, for whoever may open the database.

use crate::{
    auth::{scope::Scope, token::PlainToken},
    clock::Clock,
    config::database::DatabaseConfig,
    domain::{command_error::CommandError, error::Error},
    store::{
        feed_install::changes::SchemaChanges,
        token::{self, Model},
    },
};

/// The longest name, in characters.
const MAX_NAME: usize = 64;

/// Creates a token, which may expire after so many seconds. Also returns what was added to the
/// database for it.
///
/// # Errors
/// The name is taken or breaks a rule, or the database cannot be written to.
pub(crate) async fn create(
    database: &DatabaseConfig,
    name: &str,
    scope: Scope,
    expires: Option<u64>,
) -> Result<(PlainToken, SchemaChanges), CommandError> {
    check_name(name)?;
    let token = PlainToken::generate()
        .ok_or_else(|| Error::internal(std::io::Error::other("the system has no randomness")))?;
    let now = Clock::System.now();
    let row = Model {
        hash: token.hash().as_str().to_owned(),
        name: name.to_owned(),
        scope: scope.name().to_owned(),
        created_at: now,
        expires_at: expires.map(|seconds| now.saturating_add_unsigned(seconds)),
    };
    let changes = token::add(database, row).await?;
    Ok((token, changes))
}

/// Every token, by name.
pub(crate) async fn list(database: &DatabaseConfig) -> Result<Vec<Model>, CommandError> {
    token::list(database).await
}

/// Revokes a token. Its name is free again.
pub(crate) async fn revoke(database: &DatabaseConfig, name: &str) -> Result<(), CommandError> {
    token::remove(database, name).await
}

fn check_name(name: &str) -> Result<(), Error> {
    let length = name.chars().count();
    let rule = |reason: String| Err(Error::invalid("--name", reason));
    if !(1..=MAX_NAME).contains(&length) {
        return rule(format!("1 to {MAX_NAME} characters, got {length}"));
    }
    if name.chars().any(char::is_control) || name.trim() != name {
        return rule(format!(
            "no control characters, and no space at its ends, got {name:?}"
        ));
    }
    Ok(())
}
