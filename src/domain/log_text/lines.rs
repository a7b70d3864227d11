//! The lines of a chunk. A line ends with a line feed, and its number is its place in the log: a
//! carriage return within it stays in its text, so that numbers are those that were written.

use std::borrow::Cow;

use crate::domain::log::{LogStream, LogType};

/// A line of a log, with its number from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberedLine {
    pub(crate) number: i32,
    pub(crate) stream: LogStream,
    /// Without its end. What was not UTF-8 is U+FFFD.
    pub(crate) text: String,
}

/// A line as it is stored, with the number of its place.
pub(crate) type StoredLine<'c> = (i32, &'c [u8]);

/// The lines of a chunk, each with its number: as many as the chunk says that it has. Where it has
/// more, the last one holds them all; where it has fewer, their numbers have no line.
pub(crate) fn stored_lines(
    first_line: i32,
    last_line: i32,
    text: &[u8],
) -> impl Iterator<Item = StoredLine<'_>> {
    let count = i64::from(last_line) - i64::from(first_line) + 1;
    let count = usize::try_from(count).unwrap_or_default();
    (first_line..=i32::MAX).zip(text.splitn(count, |byte| *byte == b'\n'))
}

/// Divides a stored line into its stream and the text. A line of a log without streams, or with
/// none that is known, is one of standard output as a whole.
pub(crate) fn split_stream(log_type: LogType, stored: &[u8]) -> (LogStream, &[u8]) {
    let known = |first: &u8| LogStream::from_character(char::from(*first));
    let stored = stored.strip_suffix(b"\r").unwrap_or(stored);
    match stored.split_first() {
        Some((first, text)) if log_type == LogType::Stdio => {
            known(first).map_or((LogStream::Stdout, stored), |stream| (stream, text))
        }
        _ => (LogStream::Stdout, stored),
    }
}

/// Reads a stored line. `report_invalid` is called where it is not UTF-8.
pub(crate) fn read_line(
    log_type: LogType,
    (number, stored): StoredLine<'_>,
    report_invalid: impl FnOnce(),
) -> NumberedLine {
    let (stream, text) = split_stream(log_type, stored);
    NumberedLine {
        number,
        stream,
        text: read_text(text, report_invalid).into_owned(),
    }
}

/// The text in these bytes. `report_invalid` is called where they are not UTF-8.
pub(crate) fn read_text(bytes: &[u8], report_invalid: impl FnOnce()) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    if let Cow::Owned(_) = text {
        report_invalid();
    }
    text
}

/// The text of a stored line for Buildbot's REST API, where a carriage return ends a line too.
pub(crate) fn plain_text(stored: &[u8], report_invalid: impl FnOnce()) -> Cow<'_, str> {
    let text = read_text(stored.strip_suffix(b"\r").unwrap_or(stored), report_invalid);
    if text.contains('\r') {
        return text.replace("\r\n", "\n").replace('\r', "\n").into();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(first: i32, last: i32, text: &str) -> Vec<(i32, String)> {
        let lines = stored_lines(first, last, text.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        lines.map(|(number, line)| (number, text(line))).collect()
    }

    fn line(log_type: LogType, stored: &[u8]) -> (LogStream, String, bool) {
        let mut is_invalid = false;
        let line = read_line(log_type, (7, stored), || is_invalid = true);
        assert_eq!(line.number, 7);
        (line.stream, line.text, is_invalid)
    }

    #[test]
    fn each_line_has_the_number_of_its_place() {
        let own = |lines: &[(i32, &str)]| -> Vec<(i32, String)> {
            lines.iter().map(|(n, text)| (*n, (*text).into())).collect()
        };
        assert_eq!(numbers(3, 5, "a\n\nc"), own(&[(3, "a"), (4, ""), (5, "c")]));
        assert_eq!(numbers(0, 0, ""), own(&[(0, "")]));
        assert_eq!(
            numbers(0, 0, "a\u{b}b\u{2028}c"),
            own(&[(0, "a\u{b}b\u{2028}c")])
        );
        // Rows that say something else than they hold.
        assert_eq!(numbers(3, 4, "a\nb\nc"), own(&[(3, "a"), (4, "b\nc")]));
        assert_eq!(numbers(3, 9, "a\nb"), own(&[(3, "a"), (4, "b")]));
        for (first, last) in [(5, 4), (i32::MAX, i32::MIN)] {
            assert_eq!(numbers(first, last, "a"), own(&[]));
        }
        let widest = numbers(i32::MIN, i32::MAX, "a\nb");
        assert_eq!(widest.len(), 2);
        assert_eq!(numbers(i32::MAX, i32::MAX, "a").len(), 1);
    }

    #[test]
    fn a_line_of_stdio_has_a_stream() {
        let stdout = |text: &str| (LogStream::Stdout, text.to_owned(), false);
        assert_eq!(line(LogType::Stdio, b"oa"), stdout("a"));
        assert_eq!(
            line(LogType::Stdio, b"ea"),
            (LogStream::Stderr, "a".into(), false)
        );
        assert_eq!(
            line(LogType::Stdio, b"ha"),
            (LogStream::Header, "a".into(), false)
        );
        assert_eq!(line(LogType::Stdio, b"o"), stdout(""));
        assert_eq!(line(LogType::Stdio, b""), stdout(""));
        assert_eq!(line(LogType::Stdio, b"xa"), stdout("xa"));
        assert_eq!(line(LogType::Text, b"ea"), stdout("ea"));
        assert_eq!(line(LogType::Html, b"ha"), stdout("ha"));
    }

    #[test]
    fn carriage_returns_end_no_line_but_before_its_end() {
        let stdout = |text: &str| (LogStream::Stdout, text.to_owned(), false);
        assert_eq!(line(LogType::Stdio, b"o10%\r20%\r"), stdout("10%\r20%"));
    }

    #[test]
    fn carriage_returns_end_lines_of_plain_text() {
        let plain = |stored: &'static [u8]| plain_text(stored, || {}).into_owned();
        assert_eq!(plain(b"o10%\r20%\r"), "o10%\n20%");
        assert_eq!(plain(b"a\r\nb"), "a\nb");
        assert_eq!(plain(b"a\xff"), "a\u{fffd}");
    }

    #[test]
    fn what_is_not_utf8_is_replaced_and_reported() {
        let (_, text, is_invalid) = line(LogType::Stdio, b"oa\xffb\xc3");
        assert!(is_invalid);
        assert_eq!(text, "a\u{fffd}b\u{fffd}");
        assert!(
            !line(LogType::Text, "\u{fffd}".as_bytes()).2,
            "it was written so"
        );
    }
}
