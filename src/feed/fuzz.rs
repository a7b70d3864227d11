//! The cursors of the change feed, given anything.

use crate::{
    domain::{bookmark::Bookmark, error::ErrorCode, id::Position},
    feed::cursor::{encode, parse},
};

/// Eight bytes are a position and its mark, and the rest is a cursor and an epoch.
///
/// # Panics
/// A cursor of this feed is not read as the bookmark that it was made of, two do not sort as their
/// positions do, or a text is accepted that no feed has made.
pub fn event_cursor(data: &[u8]) {
    const EPOCH: &str = "0a1b2c3d";
    let (bytes, text) = data.split_at(data.len().min(8));
    let number = bytes
        .iter()
        .fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    // The shift clears the sign bit: positions are not negative.
    let position = Position(i64::try_from(number >> 1).unwrap_or_default());
    #[expect(clippy::cast_possible_truncation, reason = "the low half is the mark")]
    let mark = number as u32;
    let bookmark = Bookmark { position, mark };
    assert_eq!(parse(&encode(EPOCH, bookmark), EPOCH).ok(), Some(bookmark));
    if let Some(next) = position.0.checked_add(1).map(Position) {
        let (position, mark) = (next, 0);
        assert!(encode(EPOCH, bookmark) < encode(EPOCH, Bookmark { position, mark }));
    }
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    for cursor in [text.to_owned(), format!("{EPOCH}{text}")] {
        match parse(&cursor, EPOCH) {
            Ok(bookmark) => assert_eq!(encode(EPOCH, bookmark), cursor),
            Err(error) if error.code() == ErrorCode::CursorExpired => {
                let is_whole = cursor.len() == EPOCH.len() + 24;
                assert!(is_whole || cursor.len() == EPOCH.len() + 16, "{cursor}");
                assert!(!is_whole || !cursor.starts_with(EPOCH), "{cursor}");
            }
            Err(error) => assert_eq!(error.code(), ErrorCode::BadUserInput, "{cursor}"),
        }
    }
}
