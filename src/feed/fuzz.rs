//! The cursors of the change feed, given anything.

use crate::{
    domain::{error::ErrorCode, id::Position},
    feed::{cursor_of, place_of},
};

/// Eight bytes are a place, and the rest is a cursor and a feed's name.
///
/// # Panics
/// A cursor of this feed is not the place that it was made of, two are not in the order of their places, or
/// a text is taken that no feed has given.
pub fn event_cursor(data: &[u8]) {
    const FEED: &str = "0a1b2c3d";
    let (place, text) = data.split_at(data.len().min(8));
    let number = place
        .iter()
        .fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let place = Position(i64::try_from(number >> 1).unwrap_or_default());
    let next = Position(place.0.saturating_add(1));
    assert_eq!(place_of(&cursor_of(FEED, place), FEED).ok(), Some(place));
    assert!(cursor_of(FEED, place) <= cursor_of(FEED, next));
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    for cursor in [text.to_owned(), format!("{FEED}{text}")] {
        match place_of(&cursor, FEED) {
            Ok(place) => assert_eq!(cursor_of(FEED, place), cursor),
            Err(error) if error.code() == ErrorCode::CursorExpired => {
                assert_eq!(cursor.len(), FEED.len() + 16);
                assert!(!cursor.starts_with(FEED), "{cursor}");
            }
            Err(error) => assert_eq!(error.code(), ErrorCode::BadUserInput, "{cursor}"),
        }
    }
}
