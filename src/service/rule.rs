//! The rules that several writes share.

use crate::{
    app::App,
    domain::{
        error::{Error, Result},
        time,
    },
};

/// The longest state string, in characters.
const MAX_STATE_STRING: usize = 16_384;

/// Fails with `Invalid` where a state string is too long, or the database could not hold it.
pub(crate) fn check_state_string(text: &str) -> Result<()> {
    let length = text.chars().count();
    if length > MAX_STATE_STRING {
        return Err(Error::invalid(
            "stateString",
            format!("at most {MAX_STATE_STRING} characters, got {length}"),
        ));
    }
    if text.contains('\0') {
        return Err(Error::invalid("stateString", "no NUL character, got one"));
    }
    Ok(())
}

/// The time that an argument gives, or else the clock's, in seconds since the epoch.
///
/// # Errors
/// `Invalid` where it is before 1970 or after the year 9999.
pub(crate) fn time_or_now(app: &App, argument: &str, given: Option<i64>) -> Result<i64> {
    let seconds = given.unwrap_or_else(|| app.clock.now());
    if (time::EARLIEST..=time::LATEST).contains(&seconds) {
        return Ok(seconds);
    }
    let value = time::format(seconds).unwrap_or_else(|| format!("{seconds} seconds"));
    Err(Error::invalid(
        argument,
        format!("a time from 1970-01-01T00:00:00Z to 9999-12-31T23:59:59Z, got {value}"),
    ))
}
