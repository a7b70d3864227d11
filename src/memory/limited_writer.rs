//! Writing answers of a limited length. What an answer is made of is small beside its text where
//! names are long, or characters are escaped.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use crate::domain::error::{Error, Result};

/// How many bytes an answer may have for each of `--max-text-bytes`: names, values, and the
/// characters that JSON escapes come to its texts.
const ANSWER_FACTOR: u64 = 2;

/// Passes on at most so many bytes.
#[derive(Debug)]
pub(crate) struct LimitedWriter<W> {
    inner: W,
    written: usize,
    max: usize,
}

impl<W: Write> LimitedWriter<W> {
    fn new(inner: W, max: usize) -> Self {
        let written = 0;
        Self {
            inner,
            written,
            max,
        }
    }
}

impl<W: Write> Write for LimitedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written = self.written.saturating_add(bytes.len());
        if self.written > self.max {
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.inner.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// How many bytes of answers `max_text_bytes` allows.
pub(crate) fn max_answer_bytes(max_text_bytes: u64) -> usize {
    usize::try_from(max_text_bytes.saturating_mul(ANSWER_FACTOR)).unwrap_or(usize::MAX)
}

/// The error for an answer that would have more.
pub(crate) fn answer_too_large(max_text_bytes: u64) -> Error {
    Error::TooLarge {
        limit: "max-text-bytes",
        max: max_text_bytes,
        advice: "an answer may have twice as many bytes with its names; ask for smaller pages",
    }
}

/// How many bytes a value has as JSON.
///
/// # Errors
/// `TooLarge`.
pub(crate) fn json_bytes(value: &impl Serialize, max_text_bytes: u64) -> Result<usize> {
    let mut counter = LimitedWriter::new(io::sink(), max_answer_bytes(max_text_bytes));
    let written = serde_json::to_writer(&mut counter, value);
    written.map_err(|_| answer_too_large(max_text_bytes))?;
    Ok(counter.written)
}

/// A value as JSON, indented if it is for people.
///
/// # Errors
/// `TooLarge`.
pub(crate) fn to_json(
    value: &impl Serialize,
    is_indented: bool,
    max_text_bytes: u64,
) -> Result<Vec<u8>> {
    let mut json = Vec::new();
    let writer = LimitedWriter::new(&mut json, max_answer_bytes(max_text_bytes));
    let written = if is_indented {
        serde_json::to_writer_pretty(writer, value)
    } else {
        serde_json::to_writer(writer, value)
    };
    written.map_err(|_| answer_too_large(max_text_bytes))?;
    Ok(json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_has_so_many_bytes_at_most() {
        // 10 bytes as JSON, since a control character is escaped.
        let value = json!(["\u{1}"]);
        assert_eq!(json_bytes(&value, 5).expect("it fits"), 10);
        assert_eq!(
            to_json(&value, false, 5).expect("it fits"),
            b"[\"\\u0001\"]"
        );
        for refused in [
            json_bytes(&value, 4).map(drop),
            to_json(&value, true, 5).map(drop),
        ] {
            assert!(matches!(refused, Err(Error::TooLarge { .. })));
        }
        // No other error is taken for it.
        assert_eq!(json_bytes(&value, u64::MAX).expect("no limit"), 10);
    }
}
