//! How long an answer may be as it is sent, and REST's are, found before they are written. What an
//! answer is made of is small beside its text where names are long, or characters are escaped.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use crate::domain::error::{Error, Result};

/// How many bytes an answer may have for each of `--max-text-bytes`: names, values, and the
/// characters that JSON escapes come to its texts.
const ANSWER_FACTOR: u64 = 2;

/// Counts what is written, up to so many bytes.
#[derive(Debug)]
struct ByteCounter {
    written: usize,
    max: usize,
}

impl Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written = self.written.saturating_add(bytes.len());
        if self.written > self.max {
            return Err(ErrorKind::FileTooLarge.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
    count(max_text_bytes, |counter| {
        serde_json::to_writer(counter, value)
    })
}

/// The same as indented JSON.
///
/// # Errors
/// `TooLarge`.
pub(crate) fn indented_json_bytes(value: &impl Serialize, max_text_bytes: u64) -> Result<usize> {
    count(max_text_bytes, |counter| {
        serde_json::to_writer_pretty(counter, value)
    })
}

fn count(
    max_text_bytes: u64,
    write: impl FnOnce(&mut ByteCounter) -> serde_json::Result<()>,
) -> Result<usize> {
    let mut counter = ByteCounter {
        written: 0,
        max: max_answer_bytes(max_text_bytes),
    };
    write(&mut counter).map_err(|_| answer_too_large(max_text_bytes))?;
    Ok(counter.written)
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
        assert_eq!(indented_json_bytes(&value, 7).expect("it fits"), 14);
        for refused in [json_bytes(&value, 4), indented_json_bytes(&value, 6)] {
            assert!(matches!(refused, Err(Error::TooLarge { .. })));
        }
        // No other error is taken for it.
        assert_eq!(json_bytes(&value, u64::MAX).expect("no limit"), 10);
    }
}
