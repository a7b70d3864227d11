//! How long the lists are that a field's arguments ask for.

use async_graphql::{Value, parser::types::Field};

use crate::domain::{
    log_text::{DEFAULT_LINES, DEFAULT_MATCHES, MAX_LINES},
    page_input::{DEFAULT_SIZE, MAX_SIZE},
};

/// How many lines are assumed to be appended to a log at once.
pub(crate) const LINES_OF_TAIL: u64 = 10;
/// How many logs or links a step is assumed to have.
pub(crate) const FEW: u64 = 2;

/// Whether a field is the rows of a page, whose size is an argument of the field around it.
pub(crate) fn is_row(on: &str, field: &str) -> bool {
    let is_connection = on.ends_with("Connection");
    is_connection && matches!(field, "nodes" | "edges")
        || matches!(
            (on, field),
            ("LogLines", "lines") | ("LogMatches", "matches")
        )
}

/// How many rows of a connection are asked for.
pub(crate) fn page_size(field: &Field) -> u64 {
    let size = |name| number(field, name, MAX_SIZE);
    size("first").max(size("last")).unwrap_or(DEFAULT_SIZE)
}

/// How many lines of a log are asked for.
pub(crate) fn lines_asked(field: &Field) -> u64 {
    let default = match field.name.node.as_str() {
        "search" => DEFAULT_MATCHES,
        _ => DEFAULT_LINES,
    };
    number(field, "limit", MAX_LINES).unwrap_or(default)
}

/// The number of an argument, if one is given. A negative number or one above `max` counts as
/// `max`: it is refused later, and must not be cheap until then.
pub(crate) fn number(field: &Field, name: &str, max: u64) -> Option<u64> {
    let number = match argument(field, name)? {
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    Some(number.map_or(max, |n| n.min(max)))
}

/// How many values are in a list or an object.
pub(crate) fn values_in(value: &Value) -> u64 {
    match value {
        Value::List(items) => items.iter().map(|item| 1 + values_in(item)).sum(),
        Value::Object(fields) => fields.values().map(|field| 1 + values_in(field)).sum(),
        _ => 0,
    }
}

/// How many items a list has that is given as an argument.
pub(crate) fn items(field: &Field, name: &str) -> u64 {
    match argument(field, name) {
        Some(Value::List(items)) => items.len() as u64,
        _ => 0,
    }
}

/// The value of an argument; `None` for a null too.
pub(crate) fn argument(field: &Field, name: &str) -> Option<Value> {
    let constant = field.get_argument(name)?.node.clone().into_const();
    constant.filter(|value| *value != Value::Null)
}
