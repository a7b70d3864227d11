//! What is appended to a log: its lines, by Buildbot's rules, and the chunks that hold them.

use crate::domain::{
    invalid_argument::InvalidArgument,
    log::{LogStream, LogType},
};

/// The most bytes of a chunk (`logchunks.content`).
pub(crate) const MAX_CHUNK_BYTES: usize = 65_536;

/// The longest line, in characters; a longer one is cut into several.
const MAX_LINE: usize = 4_096;

/// The most bytes that are appended at once.
const MAX_CONTENT_BYTES: usize = 1_048_576;

/// Neighbouring lines as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LineChunk {
    /// How many lines there are.
    pub(crate) lines: i32,
    /// The lines, with a line feed between two.
    pub(crate) content: Vec<u8>,
}

/// Checks what is to be appended, whatever the log's type.
///
/// # Errors
/// No line, or too many bytes.
pub(crate) fn check_content(content: &str) -> Result<(), InvalidArgument> {
    if content.is_empty() {
        let rule = "at least one line, got an empty text";
        return Err(InvalidArgument::new("content", rule));
    }
    if content.len() > MAX_CONTENT_BYTES {
        let rule = format!(
            "at most {MAX_CONTENT_BYTES} bytes at once, got {}",
            content.len()
        );
        return Err(InvalidArgument::new("content", rule));
    }
    Ok(())
}

/// Checks that lines of a stream can be appended to a log of a type, and returns the character that
/// each stored line begins with, if any.
///
/// # Errors
/// The lines are gone, or the type has one stream.
pub(crate) fn line_prefix(
    log_type: LogType,
    stream: LogStream,
) -> Result<Option<char>, InvalidArgument> {
    match (log_type, stream) {
        (LogType::Deleted, _) => {
            let rule = "a log whose lines are kept, got one of type DELETED";
            Err(InvalidArgument::new("logid", rule))
        }
        (LogType::Stdio, stream) => Ok(Some(stream.character())),
        (_, LogStream::Stdout) => Ok(None),
        (_, LogStream::Stderr | LogStream::Header) => {
            let rule = "STDOUT for a log of type TEXT or HTML, which has no other stream";
            Err(InvalidArgument::new("stream", rule))
        }
    }
}

/// The chunks of a text's lines.
pub(crate) fn chunks_of(content: &str, prefix: Option<char>) -> Vec<LineChunk> {
    let mut chunks: Vec<LineChunk> = Vec::new();
    for line in lines_of(content) {
        let bytes = line.len() + prefix.map_or(0, char::len_utf8);
        let fits = |chunk: &LineChunk| chunk.content.len() + 1 + bytes <= MAX_CHUNK_BYTES;
        let mut chunk = match chunks.pop_if(|chunk| fits(chunk)) {
            Some(mut chunk) => {
                chunk.content.push(b'\n');
                chunk
            }
            None => LineChunk::default(),
        };
        let mut buffer = [0; 4];
        let prefix = prefix.map(|prefix| prefix.encode_utf8(&mut buffer).as_bytes());
        chunk.content.extend_from_slice(prefix.unwrap_or_default());
        chunk.content.extend_from_slice(line.as_bytes());
        chunk.lines += 1;
        chunks.push(chunk);
    }
    chunks
}

/// The lines of a text; one at the end need not be broken.
fn lines_of(content: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut start, mut at) = (0, 0);
    let bytes = content.as_bytes();
    while at < bytes.len() {
        match break_length(&bytes[at..]) {
            0 => at += 1,
            length => {
                cut(&content[start..at], &mut lines);
                at += length;
                start = at;
            }
        }
    }
    if start < bytes.len() {
        cut(&content[start..], &mut lines);
    }
    lines
}

/// How many bytes at the start break a line; 0 if none. As a terminal would go elsewhere, a move of
/// its cursor breaks the line too, and so do backspaces.
fn break_length(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] => 2,
        [b'\n' | b'\r', ..] => 1,
        [0x08, rest @ ..] => 1 + rest.iter().take_while(|byte| **byte == 0x08).count(),
        [0x1b, b'[', b'u', ..] => 3,
        [0x1b, b'[', b'2', b'J', ..] => 4,
        [0x1b, b'[', rest @ ..] => move_length(rest).map_or(0, |length| 2 + length),
        _ => 0,
    }
}

/// The length of a move to a row and column, such as `1;2H`.
fn move_length(bytes: &[u8]) -> Option<usize> {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let row = digits(bytes);
    let rest = bytes.get(row..)?.strip_prefix(b";")?;
    let column = digits(rest);
    let is_move = matches!(rest.get(column), Some(b'H' | b'f'));
    (row > 0 && column > 0 && is_move).then_some(row + 1 + column + 1)
}

/// Adds a line, in pieces if it is too long.
fn cut<'t>(mut line: &'t str, lines: &mut Vec<&'t str>) {
    while let Some((end, _)) = line.char_indices().nth(MAX_LINE) {
        let (piece, rest) = line.split_at(end);
        lines.push(piece);
        line = rest;
    }
    lines.push(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_in_buildbot() {
        for (content, lines) in [
            ("a\n", &["a"][..]),
            ("a", &["a"]),
            ("\n", &[""]),
            ("a\n\nb\n", &["a", "", "b"]),
            ("a\r\nb\rc\r", &["a", "b", "c"]),
            ("10%\u{8}\u{8}\u{8}20%\n", &["10%", "20%"]),
            (
                "a\x1b[ub\x1b[2Jc\x1b[1;20Hd\x1b[3;4fe",
                &["a", "b", "c", "d", "e"],
            ),
            // Colours are no moves.
            (
                "\x1b[1;31mred\x1b[0m\x1b[;1H\x1b[1H",
                &["\x1b[1;31mred\x1b[0m\x1b[;1H\x1b[1H"],
            ),
            ("\u{b}\u{c}\u{2028}", &["\u{b}\u{c}\u{2028}"]),
        ] {
            assert_eq!(lines_of(content), lines, "{content:?}");
        }
    }

    #[test]
    fn a_long_line_is_cut_by_characters() {
        let long = "é".repeat(MAX_LINE + 1);
        assert_eq!(lines_of(&long), ["é".repeat(MAX_LINE), "é".to_owned()]);
        let just = "é".repeat(MAX_LINE);
        assert_eq!(lines_of(&just), [just.as_str()]);
    }

    #[test]
    fn chunks_hold_whole_lines() {
        let chunks = chunks_of("a\nb\n", Some('e'));
        let chunk = LineChunk {
            lines: 2,
            content: b"ea\neb".to_vec(),
        };
        assert_eq!(chunks, [chunk]);
        let content = format!("{}\n", "x".repeat(4_000)).repeat(40);
        let chunks = chunks_of(&content, Some('o'));
        assert_eq!(chunks.iter().map(|chunk| chunk.lines).sum::<i32>(), 40);
        assert_eq!(chunks.len(), 3);
        let texts: Vec<_> = chunks
            .iter()
            .map(|chunk| {
                assert!(chunk.content.len() <= MAX_CHUNK_BYTES);
                String::from_utf8(chunk.content.clone()).expect("UTF-8")
            })
            .collect();
        let line = format!("o{}", "x".repeat(4_000));
        assert_eq!(texts.join("\n"), vec![line; 40].join("\n"));
    }

    #[test]
    fn only_stdio_has_streams() {
        assert_eq!(
            line_prefix(LogType::Stdio, LogStream::Header),
            Ok(Some('h'))
        );
        assert_eq!(line_prefix(LogType::Html, LogStream::Stdout), Ok(None));
        assert!(line_prefix(LogType::Text, LogStream::Stderr).is_err());
        assert!(line_prefix(LogType::Deleted, LogStream::Stdout).is_err());
        assert!(check_content("").is_err() && check_content("\n").is_ok());
        assert!(check_content(&"x".repeat(MAX_CONTENT_BYTES + 1)).is_err());
    }
}
