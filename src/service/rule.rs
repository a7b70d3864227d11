//! The rules for times that several writes share.

use crate::{
    app::App,
    domain::{
        error::{Error, Result},
        time,
    },
};

/// How far ahead of the clock a time may lie, in seconds: clocks and time zones differ by less.
const MAX_AHEAD: i64 = 86_400;

/// The time given by an argument, or else the clock's, in seconds since the epoch.
///
/// # Errors
/// `Invalid` where it is before 1970, after the year 9999 or more than a day ahead of the clock.
pub(crate) fn time_or_now(app: &App, argument: &str, given: Option<i64>) -> Result<i64> {
    let now = app.clock.now();
    let seconds = given.unwrap_or(now);
    let text = |time| time::format(time).unwrap_or_else(|| format!("{time} seconds"));
    let refuse = |rule: &str| Error::invalid(argument, format!("{rule}, got {}", text(seconds)));
    if !(time::EARLIEST..=time::LATEST).contains(&seconds) {
        let rule = "a time from 1970-01-01T00:00:00Z to 9999-12-31T23:59:59Z";
        return Err(refuse(rule));
    }
    if seconds > now.saturating_add(MAX_AHEAD) {
        let clock = text(now);
        return Err(refuse(&format!(
            "a time at most a day ahead of the server's clock, which says {clock}"
        )));
    }
    Ok(seconds)
}
