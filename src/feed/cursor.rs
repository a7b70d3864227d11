//! The text of a bookmark: the feed's epoch, 16 hexadecimal digits of the position and eight of the
//! mark. It is good on every server of the same database, and later positions sort behind earlier
//! ones.

use crate::domain::{
    bookmark::Bookmark,
    error::{Error, Result},
    id::Position,
};

/// How many hexadecimal digits a position takes.
const POSITION_DIGITS: usize = 16;
/// How many a mark takes.
const MARK_DIGITS: usize = 8;

/// The cursor of a bookmark in the feed of this epoch.
pub(crate) fn encode(epoch: &str, bookmark: Bookmark) -> String {
    let Bookmark { position, mark } = bookmark;
    // Of one width, so that cursors sort as their positions do.
    format!("{epoch}{:016x}{mark:08x}", position.0)
}

/// The bookmark that a cursor names in the feed of this epoch.
///
/// # Errors
/// `Invalid` for a text that is no cursor, `CursorExpired` for a cursor of another database or of
/// a version of this program whose cursors had no mark.
pub(crate) fn parse(cursor: &str, epoch: &str) -> Result<Bookmark> {
    let invalid = || Error::invalid("after", format!("a cursor of this feed, got {cursor:?}"));
    // `from_str_radix` would also take a sign and capitals, which do not sort as positions do.
    let is_hex_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if !cursor.bytes().all(is_hex_digit) {
        return Err(invalid());
    }
    if cursor.len() == epoch.len() + POSITION_DIGITS {
        return Err(Error::CursorExpired(
            "the cursor is of an earlier version of this server",
        ));
    }
    let split = cursor.len().checked_sub(POSITION_DIGITS + MARK_DIGITS);
    let (found_epoch, digits) = cursor.split_at(split.ok_or_else(invalid)?);
    let (position, mark) = digits.split_at(POSITION_DIGITS);
    let position = i64::from_str_radix(position, 16).map_err(|_| invalid())?;
    let mark = u32::from_str_radix(mark, 16).map_err(|_| invalid())?;
    if found_epoch == epoch {
        let position = Position(position);
        return Ok(Bookmark { position, mark });
    }
    // Every epoch has the same length, so anything else was never a cursor.
    if found_epoch.len() == epoch.len() {
        return Err(Error::CursorExpired("the cursor is of another database"));
    }
    Err(invalid())
}
