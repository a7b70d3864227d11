//! Fuzz targets: what a chunk may hold, and what may be searched for in it.

use regex::bytes::RegexBuilder;

use crate::domain::{
    log::LogType,
    log_text::{
        codec::{ChunkDecoder, ChunkFault, compress},
        lines::{read_line, split_stream, stored_lines},
        search::{LineMatcher, SearchArgs},
    },
};

/// What a chunk may unpack to here, in bytes.
const MAX_BYTES: usize = 1 << 16;

/// Unpacks the bytes behind the first, which is the codec, and reads the lines in them.
///
/// # Panics
/// More is unpacked than may be, or a line is lost.
pub fn log_chunk(data: &[u8]) {
    let Some((codec, content)) = data.split_first() else {
        return;
    };
    let mut decoder = ChunkDecoder::new(MAX_BYTES);
    let text = match decoder.decode(i16::from(*codec) % 8, content) {
        Ok(text) => text,
        Err(ChunkFault::TooLong(max)) => return assert_eq!(max, MAX_BYTES),
        Err(_) => return,
    };
    assert!(text.len() <= MAX_BYTES);
    let (packing, packed) = compress(text.to_vec());
    assert!(packed.len() <= text.len());
    let again = decoder.decode(packing, &packed);
    assert_eq!(again.as_deref(), Ok(&*text));
    let count = text.split(|byte| *byte == b'\n').count();
    for count in [1, count / 2, count, count + 5].map(|n| i32::try_from(n).unwrap_or(1)) {
        let lines: Vec<_> = stored_lines(7, 6 + count, &text).collect();
        let joined: Vec<&[u8]> = lines.iter().map(|(_, line)| *line).collect();
        if count > 0 {
            assert_eq!(joined.join(&b'\n'), *text);
        }
        for (at, line) in (7..).zip(lines) {
            let read = read_line(LogType::Stdio, line, || {});
            assert_eq!(read.number, at);
        }
    }
}

/// Searches: a byte of choices, what is searched for, a NUL, and a chunk.
///
/// # Panics
/// A line is found that does not match, or the other way round.
pub fn log_search(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (Some(pattern), Some(chunk)) = (parts.next(), parts.next()) else {
        return;
    };
    let Ok(pattern) = str::from_utf8(pattern) else {
        return;
    };
    let (is_text, ignore_case) = (choice & 1 == 0, choice & 2 != 0);
    let args = SearchArgs {
        text: is_text.then_some(pattern),
        regex: (!is_text).then_some(pattern),
        ignore_case,
        streams: None,
    };
    let matcher = match LineMatcher::new(args) {
        Ok(matcher) => matcher,
        Err(refused) => return assert!(!refused.reason.contains('\n'), "{}", refused.reason),
    };
    let log_type = [LogType::Stdio, LogType::Text][usize::from(choice >> 2 & 1)];
    let from = i32::from(choice >> 3);
    let last = i32::try_from(chunk.len()).unwrap_or(i32::MAX);
    let found = matcher.lines_of(log_type, (0, last), chunk, from);
    let escaped = regex::escape(pattern);
    let reference = RegexBuilder::new(if is_text { &escaped } else { pattern })
        .case_insensitive(ignore_case)
        .build()
        .expect("it was built before");
    let lines = stored_lines(0, last, chunk).filter(|(number, line)| {
        *number >= from && reference.is_match(split_stream(log_type, line).1)
    });
    assert_eq!(found, lines.collect::<Vec<_>>(), "{pattern:?}");
}
