//! The cursors of the change feed, given anything.

use crate::{
    domain::{error::ErrorCode, id::Position},
    feed::cursor::{encode, parse},
};

/// Eight bytes are a position, and the rest is a cursor and an epoch.
///
/// # Panics
/// A cursor of this feed is not read as the position that it was made of, two do not sort as their
/// positions do, or a text is accepted that no feed has made.
pub fn event_cursor(data: &[u8]) {
    const EPOCH: &str = "0a1b2c3d";
    let (bytes, text) = data.split_at(data.len().min(8));
    let number = bytes
        .iter()
        .fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    // The shift clears the sign bit: positions are not negative.
    let position = Position(i64::try_from(number >> 1).unwrap_or_default());
    let next = Position(position.0.saturating_add(1));
    assert_eq!(parse(&encode(EPOCH, position), EPOCH).ok(), Some(position));
    assert!(encode(EPOCH, position) <= encode(EPOCH, next));
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    for cursor in [text.to_owned(), format!("{EPOCH}{text}")] {
        match parse(&cursor, EPOCH) {
            Ok(position) => assert_eq!(encode(EPOCH, position), cursor),
            Err(error) if error.code() == ErrorCode::CursorExpired => {
                assert_eq!(cursor.len(), EPOCH.len() + 16);
                assert!(!cursor.starts_with(EPOCH), "{cursor}");
            }
            Err(error) => assert_eq!(error.code(), ErrorCode::BadUserInput, "{cursor}"),
        }
    }
}
