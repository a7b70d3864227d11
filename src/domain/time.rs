//! Times as Buildbot keeps them: whole seconds since the Unix epoch, UTC.

use chrono::{DateTime, SecondsFormat};

/// 1970-01-01T00:00:00Z, the earliest time that an update method takes.
pub(crate) const EARLIEST: i64 = 0;
/// 9999-12-31T23:59:59Z, the latest time that RFC 3339 can write.
pub(crate) const LATEST: i64 = 253_402_300_799;
/// 0000-01-01T00:00:00Z, the first time that RFC 3339 can write.
pub(crate) const FIRST_WRITABLE: i64 = -62_167_219_200;

/// Whether RFC 3339 can write a time: its year has four digits.
#[must_use]
pub(crate) fn is_writable(seconds: i64) -> bool {
    (FIRST_WRITABLE..=LATEST).contains(&seconds)
}

/// The RFC 3339 text of a time, or none where it cannot be written.
#[must_use]
pub fn format(seconds: i64) -> Option<String> {
    if !is_writable(seconds) {
        return None;
    }
    DateTime::from_timestamp(seconds, 0).map(|t| t.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Reads an RFC 3339 text with any offset; fractions of a second are dropped.
#[must_use]
pub(crate) fn parse(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|t| t.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_rfc_3339() {
        assert_eq!(
            format(1_795_328_160).as_deref(),
            Some("2026-11-22T06:16:00Z")
        );
        assert_eq!(format(-5).as_deref(), Some("1969-12-31T23:59:55Z"));
        assert_eq!(format(LATEST).as_deref(), Some("9999-12-31T23:59:59Z"));
        assert_eq!(format(LATEST + 1), None);
        assert_eq!(format(i64::MAX), None);
        assert_eq!(parse("2026-11-22T06:16:00Z"), Some(1_795_328_160));
        assert_eq!(parse("2026-11-22T07:16:00.9+01:00"), Some(1_795_328_160));
        assert_eq!(parse("2026-11-22"), None);
        assert_eq!(parse("yesterday"), None);
    }
}
