//! `token`: the command line of tokens.

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    auth::scope::Scope,
    cli::output::{print_changes, print_line},
    config::database::DatabaseConfig,
    domain::{command_error::CommandError, time},
    service::token,
};

#[derive(Subcommand, Debug)]
pub(crate) enum TokenCommand {
    /// Make a token and print it: it is shown this once, and only its hash is kept
    Create(NewToken),
    /// Print when each token was made, what it may do, and its name
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
    #[command(flatten)]
    database: DatabaseConfig,
}

fn scopes() -> impl TypedValueParser<Value = Scope> {
    let names = PossibleValuesParser::new([Scope::Read, Scope::Write].map(Scope::name));
    names.try_map(|name| Scope::from_name(&name).ok_or("no scope"))
}

pub(crate) async fn run(command: TokenCommand) -> Result<(), CommandError> {
    match command {
        TokenCommand::Create(new) => {
            let (token, changes) = token::create(&new.database, &new.name, new.scope).await?;
            print_changes(&changes);
            print_line(token.reveal());
        }
        TokenCommand::List(database) => {
            let tokens = token::list(&database).await?;
            if tokens.is_empty() {
                print_line("There are no tokens.");
            }
            for token in tokens {
                let created = time::format(token.created_at).unwrap_or_default();
                print_line(&format!("{created}  {:<5}  {}", token.scope, token.name));
            }
        }
        TokenCommand::Revoke { name, database } => {
            token::revoke(&database, &name).await?;
            print_line(&format!("revoked {name}"));
        }
    }
    Ok(())
}
