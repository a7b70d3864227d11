//! The cursors of pages, given anything.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::domain::{
    filter::{Direction, StepField},
    page::{Order, PageInput, encode},
};

/// The first byte chooses an order; the rest is a cursor, and what a cursor may have inside.
///
/// # Panics
/// A cursor that was taken is not the same when it is given out and comes back.
pub fn page_cursor(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let direction = [Direction::Asc, Direction::Desc][usize::from(choice & 1)];
    let mut order: Order<StepField> = vec![
        (StepField::Name, direction),
        (StepField::StartedAt, Direction::Desc),
        (StepField::Stepid, Direction::Asc),
    ];
    order.drain(..usize::from(choice >> 1) % 3);
    let key = |cursor: String| {
        let page = PageInput {
            after: Some(cursor),
            ..PageInput::default()
        };
        page.window(&order).map(|window| window.after)
    };
    let signature = encode(&order, &Vec::new());
    let inside = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let signed = [inside.strip_suffix(b"[]]").unwrap_or_default(), data, b"]"].concat();
    let mut cursors = vec![URL_SAFE_NO_PAD.encode(data), URL_SAFE_NO_PAD.encode(signed)];
    cursors.extend(str::from_utf8(data).map(str::to_owned));
    for cursor in cursors {
        match key(cursor.clone()) {
            Ok(Some(read)) => {
                assert_eq!(read.len(), order.len(), "{cursor}");
                let again = encode(&order, &read);
                assert_eq!(key(again), Ok(Some(read)), "{cursor}");
            }
            Ok(None) => panic!("no key: {cursor}"),
            Err((argument, rule)) => {
                assert_eq!(argument, "after");
                assert!(rule.len() <= 10 * cursor.len() + 100, "{rule}");
            }
        }
    }
}
