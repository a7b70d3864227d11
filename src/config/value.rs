//! The values that many flags share: whole numbers within a range, and switches.

use std::ops::RangeInclusive;

use crate::domain::time::{LATEST, parse};

/// The most that a number of things or bytes may be set to: more than any machine has, and far from
/// where sums overflow.
pub(crate) const MOST: u64 = 1_000_000_000_000;

/// The longest time that most durations may be set to, in seconds.
pub(crate) const DAY: u64 = 86_400;

/// Reads whole numbers within a range; any other text is refused with that range.
pub(crate) fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let given = text.parse().ok().filter(|n| range.contains(n));
        given
            .and_then(|n| T::try_from(n).ok())
            .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
    }
}

/// Reads a switch's variable; an empty one is as good as none.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match &*text.to_ascii_lowercase() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

/// Reads a time in RFC 3339, as seconds since the epoch. It leaves room for a history before it.
pub(crate) fn instant(text: &str) -> Result<i64, String> {
    let years = (86_400 * 366)..=LATEST;
    let given = parse(text).filter(|time| years.contains(time));
    given.ok_or_else(|| "a time from 1971 on, such as 2026-11-27T12:00:00Z".to_owned())
}

/// The longest time after which a token may expire, in seconds: a hundred years.
const LONGEST: u64 = 36_500 * DAY;

/// Reads a time with its unit, of seconds unless one is given, as seconds.
pub(crate) fn duration(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd', 'w']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let seconds = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => DAY,
        "w" => 7 * DAY,
        _ => 1,
    };
    let is_digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse::<u64>().ok().filter(|_| is_digits);
    number
        .and_then(|number| number.checked_mul(seconds))
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .ok_or_else(|| "a time from 1s to 36500d, in s, m, h, d or w, such as 90d".to_owned())
}
