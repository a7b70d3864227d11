//! The values of parameters, by the rules of Python and of Buildbot.

use crate::{
    domain::{filter::Value, step::MAX_STEP_NAME},
    http::rest::resource::FieldKind,
};

/// A value of a parameter. Operands sort as their values do, hence the order of the variants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operand {
    /// A number that is less than any in the database.
    BelowAll,
    Number(i64),
    Text(String),
    /// A number that is greater than any in the database.
    AboveAll,
}

impl Operand {
    /// Parses a value for a field of this kind; also says what such a value looks like.
    pub(crate) fn parse(text: &str, kind: FieldKind) -> (Option<Self>, &'static str) {
        match kind {
            FieldKind::Number { .. } | FieldKind::Numbers => (Self::number(text), "an integer"),
            FieldKind::Bool => (Self::bool(text), "true or false"),
            FieldKind::Text { .. } | FieldKind::Texts => {
                (Some(Self::Text(text.to_owned())), "a text")
            }
            FieldKind::Identifier => (
                Self::identifier(text),
                "1 to 50 characters: first an ASCII letter, '_' or '-', then those, digits and '.'",
            ),
            FieldKind::Opaque => (None, "nothing: this field cannot be filtered by"),
        }
    }

    /// Parses what Python's `int` takes, in ASCII: spaces around, a sign, and digits with single
    /// underscores between them.
    pub(crate) fn number(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let is_number = digits
            .split('_')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        // Python's integers are unbounded, so a number that does not fit is valid all the same.
        let out_of_range = if text.starts_with('-') {
            Self::BelowAll
        } else {
            Self::AboveAll
        };
        let number = || text.replace('_', "").parse().map(Self::Number);
        is_number.then(|| number().unwrap_or(out_of_range))
    }

    fn bool(text: &str) -> Option<Self> {
        match text.to_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(Self::Number(1)),
            "false" | "off" | "no" | "0" => Some(Self::Number(0)),
            _ => None,
        }
    }

    fn identifier(text: &str) -> Option<Self> {
        // The `$` of Buildbot's pattern lets one newline through.
        let name = text.strip_suffix('\n').unwrap_or(text);
        let is_first = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '-');
        let is_later = |c: char| is_first(c) || c.is_ascii_digit() || c == '.';
        let is_valid = name.starts_with(is_first) && name.chars().all(is_later);
        (is_valid && text.len() <= MAX_STEP_NAME).then(|| Self::Text(text.to_owned()))
    }

    /// The value to compare a column with; `None` where no row can have it.
    pub(crate) fn value(&self) -> Option<Value> {
        match self {
            Self::Number(n) => Some(Value::Int(*n)),
            Self::Text(text) => Some(Value::Text(text.clone())),
            Self::BelowAll | Self::AboveAll => None,
        }
    }

    /// The text to look for within a value; `None` for a number that no row can have.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Self::Number(n) => Some(n.to_string()),
            Self::Text(text) => Some(text),
            Self::BelowAll | Self::AboveAll => None,
        }
    }
}
