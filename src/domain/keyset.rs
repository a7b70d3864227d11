//! Keyset pagination: a page begins behind the key of a row, and a cursor is such a key in text.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::domain::{
    filter::{Order, Value},
    invalid_argument::InvalidArgument,
};

/// The values that a row is ordered by, its id last; `None` for a null.
pub(crate) type KeysetKey = Vec<Option<Value>>;

/// Which rows of an ordered list to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeysetRange {
    /// How many rows at most.
    pub(crate) size: u64,
    /// Count `size` from the end of the range instead of its start.
    pub(crate) backward: bool,
    /// Only rows behind this key.
    pub(crate) after: Option<KeysetKey>,
    /// Only rows before this key.
    pub(crate) before: Option<KeysetKey>,
}

/// Names the order that a cursor is good for.
fn signature<F: std::fmt::Debug>(order: &Order<F>) -> String {
    // Renaming a field or a direction makes the cursors invalid that clients hold.
    order
        .iter()
        .map(|(field, direction)| format!("{field:?} {direction:?}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The opaque cursor of a row: the order it is good for, and the row's key in that order.
#[must_use]
pub(crate) fn encode_cursor<F: std::fmt::Debug>(order: &Order<F>, key: &KeysetKey) -> String {
    let key: Vec<serde_json::Value> = key
        .iter()
        .map(|value| match value {
            None => serde_json::Value::Null,
            Some(Value::Int(n)) => (*n).into(),
            Some(Value::Text(t)) => t.clone().into(),
        })
        .collect();
    URL_SAFE_NO_PAD.encode(serde_json::json!([signature(order), key]).to_string())
}

/// Reads the cursor of an argument; it must have been made for this order.
pub(crate) fn decode_cursor<F: std::fmt::Debug>(
    argument: &'static str,
    cursor: &str,
    order: &Order<F>,
) -> Result<KeysetKey, InvalidArgument> {
    let refuse = |rule: &str| InvalidArgument::new(argument, format!("{rule}, got {cursor:?}"));
    let (made_for, key) = URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|json| serde_json::from_slice::<(String, Vec<serde_json::Value>)>(&json).ok())
        .ok_or_else(|| refuse("a cursor of this list"))?;
    if made_for != signature(order) || key.len() != order.len() {
        return Err(refuse("a cursor of a list in the same order"));
    }
    key.into_iter()
        .map(|value| match value {
            serde_json::Value::Null => Ok(None),
            serde_json::Value::String(t) => Ok(Some(Value::Text(t))),
            other => match other.as_i64() {
                Some(n) => Ok(Some(Value::Int(n))),
                None => Err(refuse("a cursor of this list")),
            },
        })
        .collect()
}
