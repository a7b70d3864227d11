//! `token`: the command line of tokens.

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    auth::scope::Scope,
    cli::output::{print_changes, print_line},
    clock::Clock,
    config::{database::DatabaseConfig, value::duration},
    domain::{command_error::CommandError, time},
    service::token,
    store::token::Model,
};

#[derive(Subcommand, Debug)]
pub(crate) enum TokenCommand {
    /// Make a token and print it: it is shown this once, and only its hash is kept
    Create(NewToken),
    /// Print when each token was made, what it may do, its name, and when it expires
    List(DatabaseConfig),
    /// End a token: from the next request on it can do nothing, and what it holds open ends within
    /// seconds
    Revoke {
        /// The token's name
        name: String,
        #[command(flatten)]
        database: DatabaseConfig,
    },
}

#[derive(Args, Debug)]
pub(crate) struct NewToken {
    /// What people call it; at most 64 characters
    #[arg(long)]
    name: String,
    /// What it may do: queries and subscriptions, or mutations too
    #[arg(long, value_parser = scopes())]
    scope: Scope,
    /// Let it expire after a time such as 90d, 12h, 30m, or 3600 seconds [default: never]
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        allow_hyphen_values = true,
    )]
    expires: Option<u64>,
    #[command(flatten)]
    database: DatabaseConfig,
}

fn scopes() -> impl TypedValueParser<Value = Scope> {
    let names = PossibleValuesParser::new([Scope::Read, Scope::Write].map(Scope::name));
    names.try_map(|name| Scope::from_name(&name).ok_or("no scope"))
}

fn describe(token: &Model) -> String {
    let format = |seconds| time::format(seconds).unwrap_or_default();
    let (created, scope, name) = (format(token.created_at), &token.scope, &token.name);
    let end = match token.expires_at {
        None => String::new(),
        Some(end) if end <= Clock::System.now() => format!("  (expired {})", format(end)),
        Some(end) => format!("  (expires {})", format(end)),
    };
    format!("{created}  {scope:<5}  {name}{end}")
}

pub(crate) async fn run(command: TokenCommand) -> Result<(), CommandError> {
    match command {
        TokenCommand::Create(new) => {
            let (token, changes) =
                token::create(&new.database, &new.name, new.scope, new.expires).await?;
            print_changes(&changes);
            print_line(token.reveal());
        }
        TokenCommand::List(database) => {
            let tokens = token::list(&database).await?;
            if tokens.is_empty() {
                print_line("There are no tokens.");
            }
            for token in tokens {
                print_line(&describe(&token));
            }
        }
        TokenCommand::Revoke { name, database } => {
            token::revoke(&database, &name).await?;
            print_line(&format!("revoked {name}"));
        }
    }
    Ok(())
}
