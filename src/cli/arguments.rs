//! The command line's arguments: reads them, with their variables and the file of `--config`.

use std::{ffi::OsString, path::PathBuf};

use clap::{
    ArgMatches, Args, Command as ClapCommand, CommandFactory, FromArgMatches,
    error::{ContextKind, ContextValue, Error, ErrorKind},
};
use clap_complete::Shell;

use crate::{
    cli::command::{Cli, Command},
    config::{
        Config,
        file::{FileSetting, apply_settings, read_settings},
        log::LogConfig,
        secret_file::{read_url, url_file},
    },
};

/// What every command takes; those that open no database hide it.
#[derive(Args, Debug)]
pub(crate) struct CommonArguments {
    /// Read settings from this file, TOML with the names of flags as keys; variables win over it,
    /// and flags over both
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_CONFIG",
        value_name = "FILE",
        help_heading = None::<&'static str>,
    )]
    config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: LogConfig,
}

/// What is to be done.
pub(crate) struct Invocation {
    pub(crate) command: Command,
    pub(crate) log: LogConfig,
    /// The files that were read and hold a secret.
    pub(crate) secret_files: Vec<PathBuf>,
}

/// Flags of a database that only a server takes; other commands open a connection or two.
const OF_SERVERS: [&str; 6] = [
    "readers",
    "writers",
    "snapshot_readers",
    "snapshot_seconds",
    "statement_seconds",
    "read_only",
];

/// The names of `CommonArguments`.
const COMMON: [&str; 3] = ["config", "log", "log_format"];

/// The commands that open no database.
const OFFLINE: [&str; 2] = ["schema", "completions"];

/// The commands of the program, with their flags.
#[must_use]
pub fn command() -> ClapCommand {
    // Not `augment_args(command)`, which would also replace what the program says of itself.
    let common = CommonArguments::augment_args(ClapCommand::new("common"));
    let common = common.get_arguments().cloned();
    // Global, so that they may stand before the command too.
    let mut command = Cli::command().args(common.map(|arg| arg.global(true)));
    // Gives each command the global ones, which some of them hide.
    command.build();
    hide_values(command).mut_subcommands(|command| match command.get_name() {
        "serve" => take_negative_numbers(command),
        "backup" => take_negative_numbers(hide(
            command,
            &[&OF_SERVERS[..], &["connect_seconds"]].concat(),
        )),
        // A file of settings is for what opens a database.
        "watch" => take_negative_numbers(hide(command, &["config"])),
        name if OFFLINE.contains(&name) => hide(command, &COMMON),
        _ => take_negative_numbers(hide(command, &OF_SERVERS)),
    })
}

/// Keeps help from showing what the variables have: it may be a password.
fn hide_values(command: ClapCommand) -> ClapCommand {
    let command = command.mut_args(|arg| arg.hide_env_values(true));
    command.mut_subcommands(hide_values)
}

fn take_negative_numbers(command: ClapCommand) -> ClapCommand {
    if command.has_subcommands() {
        return command.mut_subcommands(take_negative_numbers);
    }
    command.mut_args(|arg| {
        // So that -1 is a wrong value, and not an unknown flag.
        if arg.get_action().takes_values() && !arg.is_positional() {
            arg.allow_negative_numbers(true)
        } else {
            arg
        }
    })
}

fn hide(command: ClapCommand, names: &[&str]) -> ClapCommand {
    let command = command.mut_args(|arg| {
        let is_hidden = names.contains(&arg.get_id().as_str());
        if is_hidden { arg.hide(true) } else { arg }
    });
    command.mut_subcommands(|command| hide(command, names))
}

/// A script with which a shell completes commands and flags.
pub(crate) fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    let mut command = command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).trim_end().to_owned()
}

/// Reads the arguments, the first being the program's name.
///
/// # Errors
/// What is not understood, or help that was asked for.
pub(crate) fn read(arguments: &[OsString]) -> Result<Invocation, Error> {
    let command = command();
    let read = |command: ClapCommand| {
        let read = command.clone().try_get_matches_from(arguments);
        read.map_err(|error| name_variable(error, arguments, &command))
    };
    let mut matches = read(command.clone())?;
    let (mut settings, mut secret_files) = (Vec::new(), Vec::new());
    if let Some(path) = innermost(&matches).get_one::<PathBuf>("config") {
        let serve = command.find_subcommand("serve").unwrap_or(&command);
        settings = read_settings(path, serve).map_err(refuse)?;
        if settings.iter().any(FileSetting::has_password) {
            secret_files.push(path.clone());
        }
        matches = read(apply_settings(command.clone(), &settings))?;
    }
    if let Some(file) = url_file(innermost(&matches)).map_err(refuse)? {
        settings.retain(|setting| !setting.flag.starts_with("database-url"));
        settings.push(read_url(&file).map_err(refuse)?);
        secret_files.push(file);
        matches = read(apply_settings(command, &settings))?;
    }
    let log = LogConfig::from_arg_matches(innermost(&matches))?;
    let command = read_command(&matches, &settings)?;
    if let Command::Watch(watch) = &command {
        secret_files.extend(watch.token_file.clone());
    }
    Ok(Invocation {
        command,
        log,
        secret_files,
    })
}

fn read_command(matches: &ArgMatches, settings: &[FileSetting]) -> Result<Command, Error> {
    let mut command = Cli::from_arg_matches(matches)?.command;
    match &mut command {
        Command::Serve(serve) => {
            serve.config = Config::from_matches(innermost(matches), settings).map_err(refuse)?;
        }
        Command::Watch(watch) => watch.complete().map_err(refuse)?,
        _ => {}
    }
    Ok(command)
}

/// An error that clap does not know.
fn refuse(message: String) -> Error {
    Error::raw(ErrorKind::ValueValidation, message + "\n")
}

/// The matches of the command itself, such as `list` of `token list`.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches
        .subcommand()
        .map_or(matches, |(_, inner)| innermost(inner))
}

/// Names the variable in an error whose value came from there: to clap it is its flag's.
fn name_variable(mut error: Error, arguments: &[OsString], command: &ClapCommand) -> Error {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let flag = argument.split([' ', '=']).next().unwrap_or_default();
    let is_given = arguments
        .iter()
        .filter_map(|given| given.to_str())
        .any(|given| {
            let rest = given.strip_prefix(flag);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        });
    if !is_given && let Some(variable) = find_variable(flag, command) {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    error
}

fn find_variable(flag: &str, command: &ClapCommand) -> Option<String> {
    let name = flag.strip_prefix("--")?;
    let arg = command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(name));
    let variable = arg.and_then(|arg| Some(arg.get_env()?.to_str()?.to_owned()));
    variable.or_else(|| {
        command
            .get_subcommands()
            .find_map(|inner| find_variable(flag, inner))
    })
}
