//! An input value as it is written: a literal of a document, or JSON of its variables.

use apollo_compiler::{Name, Node, ast::Value as Literal, parser::SourceSpan};
use async_graphql::{Name as OutputName, Value};
use serde_json::Value as Json;

use crate::graphql::schema::scalar::MAX_EXACT_DOUBLE;

/// A value as it is written: a literal, or JSON.
pub(crate) trait InputValue: Sized {
    /// Whether the value of an enum is a string.
    const QUOTES_ENUMS: bool;
    fn form(&self) -> Form<'_, Self>;
    /// The value as a constant. Null stands for what is no constant.
    fn to_constant(&self) -> Value;
    fn location(&self) -> Option<SourceSpan>;
}

/// The form of a value.
pub(crate) enum Form<'v, V> {
    Null,
    Variable(&'v Name),
    List(Vec<&'v V>),
    Object(Vec<(&'v str, &'v V)>),
    Scalar,
}

impl InputValue for Node<Literal> {
    const QUOTES_ENUMS: bool = false;

    fn form(&self) -> Form<'_, Self> {
        match &**self {
            Literal::Null => Form::Null,
            Literal::Variable(name) => Form::Variable(name),
            Literal::List(items) => Form::List(items.iter().collect()),
            Literal::Object(entries) => {
                Form::Object(entries.iter().map(|(k, v)| (k.as_str(), v)).collect())
            }
            _ => Form::Scalar,
        }
    }

    fn to_constant(&self) -> Value {
        match &**self {
            Literal::Null | Literal::Variable(_) => Value::Null,
            Literal::Enum(name) => Value::Enum(OutputName::new(name)),
            Literal::String(text) => text.as_str().into(),
            Literal::Boolean(value) => (*value).into(),
            Literal::Int(digits) => match digits.as_str().parse::<i64>() {
                Ok(integer) => integer.into(),
                Err(_) => number_of(digits.as_str()),
            },
            Literal::Float(digits) => number_of(digits.as_str()),
            Literal::List(items) => Value::List(items.iter().map(Self::to_constant).collect()),
            Literal::Object(entries) => {
                let entries = entries.iter();
                let entries = entries.map(|(k, v)| (OutputName::new(k), v.to_constant()));
                Value::Object(entries.collect())
            }
        }
    }

    fn location(&self) -> Option<SourceSpan> {
        Node::location(self)
    }
}

/// Reads a number; one that no double can hold is null, and so refused.
fn number_of(digits: &str) -> Value {
    digits.parse().map_or(Value::Null, Value::Number)
}

impl InputValue for Json {
    const QUOTES_ENUMS: bool = true;

    fn form(&self) -> Form<'_, Self> {
        match self {
            Json::Null => Form::Null,
            Json::Array(items) => Form::List(items.iter().collect()),
            Json::Object(entries) => {
                Form::Object(entries.iter().map(|(k, v)| (k.as_str(), v)).collect())
            }
            _ => Form::Scalar,
        }
    }

    fn to_constant(&self) -> Value {
        match self {
            // JSON has one kind of number: 1.0 and 1e3 are integers too.
            Json::Number(number) => match integer_of(number) {
                Some(integer) => integer.into(),
                None => Value::Number(number.clone()),
            },
            other => Value::from_json(other.clone()).unwrap_or_default(),
        }
    }

    fn location(&self) -> Option<SourceSpan> {
        None
    }
}

/// The integer that a double is, within the range where doubles are exact.
fn integer_of(number: &serde_json::Number) -> Option<i64> {
    let double = number.as_f64().filter(|_| number.is_f64())?;
    #[expect(clippy::cast_possible_truncation, reason = "it is exact in this range")]
    (double.fract() == 0.0 && double.abs() <= MAX_EXACT_DOUBLE).then_some(double as i64)
}
