//! The scalars, the ids of nodes, and the pass over a document, given anything.

use std::sync::{Arc, LazyLock};

use async_graphql::{ScalarType, ServerError, Value, Variables};

use super::{
    build_schema, check,
    cost::cost,
    document::{Documents, Source},
    node::Id,
    scalar::{DateTime, NameOrNumber},
    types::Types,
};
use crate::{
    config::LimitConfig,
    model::{identifier, time::LATEST},
};

const YEAR_0: i64 = -62_167_219_200;

/// JSON, else a text as it is.
fn value(data: &[u8]) -> Value {
    let json = serde_json::from_slice::<serde_json::Value>(data);
    let value = json.map(|json| Value::from_json(json).unwrap_or_default());
    value.unwrap_or_else(|_| Value::String(String::from_utf8_lossy(data).into_owned()))
}

/// A value for each of the scalars.
///
/// # Panics
/// What was read is something else when it is written and read again, or a refusal says more than it was told.
pub fn scalar(data: &[u8]) {
    let value = value(data);
    let longest = 10 * data.len() + 200;
    match DateTime::read(&value) {
        Ok(time) => match time.to_value() {
            // In UTC its year has no four digits.
            Value::Null => assert!(!(YEAR_0..=LATEST).contains(&time.0), "{value}"),
            written => assert_eq!(DateTime::read(&written).map(|t| t.0), Ok(time.0)),
        },
        Err(refusal) => assert!(refusal.len() <= longest, "{refusal}"),
    }
    match NameOrNumber::read(&value) {
        Ok(which) => {
            let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
            if let identifier::NameOrNumber::Name(name) = &which.0 {
                assert!(name.is_empty() || !digits(name), "{name}");
            }
            let again = NameOrNumber::read(&which.to_value()).map(|again| again.0);
            assert_eq!(again, Ok(which.0));
        }
        Err(refusal) => assert!(refusal.len() <= longest, "{refusal}"),
    }
}

/// The text of an id.
///
/// # Panics
/// An id that was taken is another one when it is given out.
pub fn node_id(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Some(id) = Id::decode(text) {
        assert_eq!(Id::decode(&id.encode()), Some(id));
    }
}

/// A document, and behind a NUL perhaps variables.
///
/// # Panics
/// What passes is beyond a limit, is measured otherwise the second time, or a refusal has no code.
pub fn document(data: &[u8]) {
    static TYPES: LazyLock<Types> = LazyLock::new(|| Types::read(&build_schema().finish().sdl()));
    let mut parts = data.splitn(2, |byte| *byte == 0).map(str::from_utf8);
    let (Some(Ok(text)), variables) = (parts.next(), parts.next()) else {
        return;
    };
    let limits = LimitConfig::of(&[]);
    let documents = Documents::new(TYPES.clone(), limits.clone());
    let find = || documents.find(Source::Text(text.to_owned()));
    let document = match find() {
        Ok(document) => document,
        Err(refusal) => return has_code(&refusal),
    };
    let again = find().expect("it passed before");
    assert!(Arc::ptr_eq(&document, &again), "it is kept");
    let variables = variables.and_then(Result::ok).unwrap_or_default();
    let variables =
        serde_json::from_str(variables).map_or_else(|_| Variables::default(), Variables::from_json);
    for (_, operation) in document.parsed.operations.iter() {
        if let Err(refusal) = check::variables(&operation.node, &variables, &TYPES) {
            has_code(&refusal);
        }
        let cost = || {
            cost(
                &document.parsed,
                &operation.node,
                &variables,
                &TYPES,
                &limits,
            )
        };
        match cost() {
            Ok(first) => {
                assert!(first.objects <= limits.max_cost);
                assert!(first.values <= limits.max_values);
                assert_eq!(cost().ok(), Some(first));
            }
            Err(refusal) => has_code(&refusal),
        }
    }
}

fn has_code(refusal: &ServerError) {
    assert!(!refusal.message.is_empty());
    let extensions = refusal.extensions.as_ref();
    assert!(
        extensions.is_some_and(|e| e.get("code").is_some()),
        "{refusal:?}"
    );
}
