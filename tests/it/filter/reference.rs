//! The reference for filters: their meaning in plain Rust, over rows read by plain SQL.

use std::cmp::Ordering;

use chrono::DateTime;
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};
use serde_json::Value;

use super::seed::TIMES;

/// The names of the codes 0 to 6. Any other code counts as null.
pub(super) const RESULTS: [&str; 7] = [
    "SUCCESS",
    "WARNINGS",
    "FAILURE",
    "SKIPPED",
    "EXCEPTION",
    "RETRY",
    "CANCELLED",
];

/// Whether a row passes a filter, given as the JSON of its GraphQL input.
pub(super) fn matches(filter: &Value, row: &Value) -> bool {
    filter
        .as_object()
        .unwrap()
        .iter()
        .all(|(key, given)| match key.as_str() {
            "and" => list(given).iter().all(|inner| matches(inner, row)),
            "or" => list(given).iter().any(|inner| matches(inner, row)),
            "not" => !matches(given, row),
            "complete" => row["completeAt"].is_null() != given.as_bool().unwrap(),
            "hidden" => (row["hidden"] == 1) == given.as_bool().unwrap(),
            field => {
                let tests = given.as_object().unwrap();
                tests
                    .iter()
                    .all(|(operator, operand)| passes(field, operator, operand, &row[field]))
            }
        })
}

fn passes(field: &str, operator: &str, operand: &Value, actual: &Value) -> bool {
    let actual = &plain(field, actual);
    if operator == "isNull" {
        return actual.is_null() == operand.as_bool().unwrap();
    }
    // A comparison with null on either side is false.
    if operand.is_null() || actual.is_null() {
        return false;
    }
    let operand = &plain(field, operand);
    match operator {
        "eq" => actual == operand,
        "ne" => actual != operand,
        "lt" => order(actual, operand).is_lt(),
        "le" => order(actual, operand).is_le(),
        "gt" => order(actual, operand).is_gt(),
        "ge" => order(actual, operand).is_ge(),
        "in" => list(operand).contains(actual),
        "notIn" => !list(operand).contains(actual),
        "contains" if field == "tags" => list(actual).contains(operand),
        "contains" => text(actual).contains(text(operand)),
        "containsIgnoreCase" => folded(text(actual)).contains(&folded(text(operand))),
        "startsWith" => text(actual).starts_with(text(operand)),
        other => panic!("{other}"),
    }
}

/// Converts results to names and times to seconds, in lists too. A code without a name becomes
/// null.
fn plain(field: &str, value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(|v| plain(field, v)).collect(),
        Value::Number(code) if field == "results" => {
            let name = RESULTS
                .iter()
                .enumerate()
                .find(|(i, _)| code.to_string() == i.to_string());
            name.map_or(Value::Null, |(_, name)| (*name).into())
        }
        Value::String(text) if field.ends_with("At") => {
            let time = TIMES.iter().find(|(_, texts)| texts.contains(&&**text));
            let read = || DateTime::parse_from_rfc3339(text).unwrap().timestamp();
            time.map_or_else(read, |(seconds, _)| *seconds).into()
        }
        other => other.clone(),
    }
}

/// Null is the least. Texts compare by code point, which is how Rust compares them.
pub(crate) fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => a.as_i64().cmp(&b.as_i64()),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A text with the least of the characters that differ in case alone, by regex's table.
fn folded(text: &str) -> String {
    let least = |c: char| {
        let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
        class.try_case_fold_simple().unwrap();
        class.ranges()[0].start()
    };
    text.chars().map(least).collect()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}
