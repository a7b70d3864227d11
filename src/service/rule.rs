//! The rule for times that several writes share.

use crate::{
    app::App,
    domain::{
        error::{Error, Result},
        time,
    },
};

/// The time given by an argument, or else the clock's, in seconds since the epoch.
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
