//! Says why the arguments are not understood, in the form that the log would have.

use std::{
    env,
    ffi::OsString,
    io::{Write, stderr},
    process::ExitCode,
};

use clap::error::Error;

use crate::{
    config::{
        file::{summary, without_passwords},
        log::{LogConfig, LogFormat},
    },
    log::{self, TARGET},
};

/// The exit code where a flag, a variable or a file is not understood: trying again is of no use.
const NOT_UNDERSTOOD: u8 = 2;

/// Prints an error, or the help that was asked for, and returns the exit code.
pub(crate) fn report_refusal(error: &Error, arguments: &[OsString]) -> ExitCode {
    if error.use_stderr() && wants_json(arguments) {
        let _log = log::start(&LogConfig {
            log_format: LogFormat::Json,
            log: None,
        });
        tracing::error!(target: TARGET, "{}", summary(error));
    } else if error.use_stderr() {
        // The reader may have closed the pipe.
        let _ = write!(
            stderr(),
            "{}",
            without_passwords(&error.render().to_string())
        );
    } else {
        let _ = error.print();
    }
    let is_check = arguments.iter().any(|given| given == "--check");
    match (error.use_stderr(), is_check) {
        (false, _) => ExitCode::SUCCESS,
        (true, true) => ExitCode::FAILURE,
        (true, false) => NOT_UNDERSTOOD.into(),
    }
}

/// Whether a log would be JSON, as far as can be told from arguments that are not understood.
fn wants_json(arguments: &[OsString]) -> bool {
    let (flag, value) = ("--log-format", "json");
    let is_pair = |pair: &[OsString]| pair[0] == flag && pair[1] == value;
    let has = |text: &str| arguments.iter().any(|given| given == text);
    if arguments.windows(2).any(is_pair) || has("--log-format=json") {
        return true;
    }
    let is_given = has(flag) || has("--log-format=text");
    !is_given && env::var_os("BUILDBOT_GRAPHQL_LOG_FORMAT").is_some_and(|given| given == value)
}
