//! A fuzz target: reads any bytes as the cursor of a page.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::domain::{
    filter::{Direction, Order},
    keyset::encode_cursor,
    page_input::PageInput,
    step::StepField,
};

/// The first byte chooses an order; the rest is taken as a cursor, and as the inside of one.
///
/// # Panics
/// A cursor that was accepted changes when it is encoded and decoded again.
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
        page.range(&order).map(|range| range.after)
    };
    let signature = encode_cursor(&order, &Vec::new());
    let inside = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    // The data in place of the empty key, behind a signature that fits.
    let signed = [inside.strip_suffix(b"[]]").unwrap_or_default(), data, b"]"].concat();
    let mut cursors = vec![URL_SAFE_NO_PAD.encode(data), URL_SAFE_NO_PAD.encode(signed)];
    cursors.extend(str::from_utf8(data).map(str::to_owned));
    for cursor in cursors {
        match key(cursor.clone()) {
            Ok(Some(read)) => {
                assert_eq!(read.len(), order.len(), "{cursor}");
                let again = encode_cursor(&order, &read);
                assert_eq!(key(again), Ok(Some(read)), "{cursor}");
            }
            Ok(None) => panic!("no key: {cursor}"),
            Err(invalid) => {
                assert_eq!(invalid.argument, "after");
                let limit = 10 * cursor.len() + 100;
                assert!(invalid.reason.len() <= limit, "{}", invalid.reason);
            }
        }
    }
}
