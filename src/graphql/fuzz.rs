//! Fuzz targets: the scalars, node ids and document checks must hold for any bytes.

pub(crate) mod document;
pub(crate) mod execution;

use async_graphql::{ScalarType, Value};

use crate::{
    domain::{step, time::LATEST},
    graphql::schema::{
        node::NodeId,
        scalar::{DateTime, NameOrNumber},
    },
};

const YEAR_0: i64 = -62_167_219_200;

/// Parses JSON; any other text becomes a string.
fn read_value(data: &[u8]) -> Value {
    let json = serde_json::from_slice::<serde_json::Value>(data);
    let value = json.map(|json| Value::from_json(json).unwrap_or_default());
    value.unwrap_or_else(|_| Value::String(String::from_utf8_lossy(data).into_owned()))
}

/// Reads a value as each of the scalars.
///
/// # Panics
/// If a value does not survive a round trip, or an error message is much longer than its input.
pub fn scalar(data: &[u8]) {
    let value = read_value(data);
    let longest = 10 * data.len() + 200;
    match DateTime::read(&value) {
        Ok(time) => match time.to_value() {
            // Its year in UTC does not have four digits.
            Value::Null => assert!(!(YEAR_0..=LATEST).contains(&time.0), "{value}"),
            written => assert_eq!(DateTime::read(&written).map(|t| t.0), Ok(time.0)),
        },
        Err(refusal) => assert!(refusal.len() <= longest, "{refusal}"),
    }
    match NameOrNumber::read(&value) {
        Ok(which) => {
            // Digits are a number by contract; `all` also holds for the empty text, a name.
            let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
            if let step::NameOrNumber::Name(name) = &which.0 {
                assert!(name.is_empty() || !digits(name), "{name}");
            }
            let again = NameOrNumber::read(&which.to_value()).map(|again| again.0);
            assert_eq!(again, Ok(which.0));
        }
        Err(refusal) => assert!(refusal.len() <= longest, "{refusal}"),
    }
}

/// Reads the text of a node's id.
///
/// # Panics
/// If an id does not survive a round trip.
pub fn node_id(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Some(id) = NodeId::decode(text) {
        assert_eq!(NodeId::decode(&id.encode()), Some(id));
    }
}
