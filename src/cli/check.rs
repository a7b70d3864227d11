//! `serve --check`: says what would keep a server from starting. Nothing is changed or made.

use crate::{
    cli::output::print_line,
    config::{Config, log::LogFormat},
    domain::command_error::CommandError,
    graphql::prepare::trusted_documents::check_documents,
    http::listener::{socket, tls::Tls},
    log::TARGET,
    store::{
        db::preview::{DatabasePreview, preview},
        demo_run::expect_claimable,
    },
};

/// Looks at everything that a start would look at, and says all that is wrong.
///
/// # Errors
/// Something is; the log says what.
pub(crate) async fn check(config: &Config, format: LogFormat) -> Result<(), CommandError> {
    let mut wrong = Vec::new();
    wrong.extend(Tls::load(&config.connection).err());
    wrong.extend(check_documents(&config.limit).err());
    wrong.extend(socket::check(&config.http.listen).await.err());
    if let Some(listen) = &config.http.ops_listen {
        wrong.extend(socket::check(listen).await.err());
    }
    match preview(&config.database, !config.no_migrate).await {
        Ok(found) => {
            let is_there = !matches!(found, DatabasePreview::Missing(_));
            if config.demo && is_there {
                wrong.extend(expect_claimable(&config.database).await.err());
            }
            say(&describe(&found), format);
        }
        Err(error) => wrong.push(error),
    }
    for error in &wrong {
        tracing::error!(target: TARGET, "{error}");
    }
    match wrong.len() {
        0 => {
            say("Nothing would keep the server from starting.", format);
            Ok(())
        }
        count => Err(CommandError::Check(count)),
    }
}

fn describe(database: &DatabasePreview) -> String {
    match database {
        DatabasePreview::Missing(url) => format!("The database {url} would be made."),
        DatabasePreview::Ours { url, pending } if pending.is_empty() => {
            format!("The database {url} is up to date.")
        }
        DatabasePreview::Ours { url, pending } => format!(
            "The database {url} would get the migrations {}.",
            pending.join(", ")
        ),
        DatabasePreview::Buildbots(url) => format!("The database {url} is a Buildbot master's."),
    }
}

/// Prints a line, or logs it: a JSON log is not to be mixed with text.
fn say(text: &str, format: LogFormat) {
    match format {
        LogFormat::Text => print_line(text),
        LogFormat::Json => tracing::info!(target: TARGET, "{text}"),
    }
}
