//! One filter's parameter -> a filter of the store: what its values mean, and what each operator asks.

use super::{
    answer::shown,
    query::{Column, Kind},
};
use crate::{
    error::{Error, Result},
    model::{
        filter::{Filter, Test, Value},
        identifier::MAX_STEP_NAME,
    },
};

/// The most values that one `contains` may have.
const MAX_PARTS: usize = 100;

/// What comes behind `__`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Contains,
    In,
    NotIn,
}

impl Operator {
    /// Every name there is.
    pub(super) const NAMES: [&str; 9] = [
        "eq", "ne", "lt", "le", "gt", "ge", "contains", "in", "notin",
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "lt" => Self::Lt,
            "le" => Self::Le,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            "contains" => Self::Contains,
            "in" => Self::In,
            "notin" => Self::NotIn,
            _ => return None,
        })
    }

    /// It asks which of two comes first.
    fn is_comparison(self) -> bool {
        matches!(self, Self::Lt | Self::Le | Self::Gt | Self::Ge)
    }

    /// It can be asked of such a field.
    pub(super) fn fits(self, kind: Kind) -> bool {
        match kind {
            Kind::Opaque => false,
            Kind::Numbers | Kind::Texts => !self.is_comparison(),
            Kind::Bool => self != Self::Contains,
            Kind::Number { .. } | Kind::Text { .. } | Kind::Identifier => true,
        }
    }
}

/// A value as it was given, in the order in which rows are compared with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Given {
    /// A number that is less than any there can be.
    BelowAll,
    Number(i64),
    Text(String),
    /// A number that is greater than any there can be.
    AboveAll,
}

impl Given {
    /// What Python's `int` takes, of ASCII: spaces around, a sign, digits with single underscores between them.
    pub(super) fn number(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let is_number = digits
            .split('_')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        let beyond = if text.starts_with('-') {
            Self::BelowAll
        } else {
            Self::AboveAll
        };
        let number = || text.replace('_', "").parse().map(Self::Number);
        is_number.then(|| number().unwrap_or(beyond))
    }

    fn bool(text: &str) -> Option<Self> {
        match text.to_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(Self::Number(1)),
            "false" | "off" | "no" | "0" => Some(Self::Number(0)),
            _ => None,
        }
    }

    /// Buildbot's rule, whose end lets one newline through.
    fn identifier(text: &str) -> Option<Self> {
        let name = text.strip_suffix('\n').unwrap_or(text);
        let is_first = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '-');
        let is_later = |c: char| is_first(c) || c.is_ascii_digit() || c == '.';
        let legal = name.starts_with(is_first) && name.chars().all(is_later);
        (legal && text.len() <= MAX_STEP_NAME).then(|| Self::Text(text.to_owned()))
    }

    /// The value that a column can be compared with, if any.
    fn value(&self) -> Option<Value> {
        match self {
            Self::Number(n) => Some(Value::Int(*n)),
            Self::Text(text) => Some(Value::Text(text.clone())),
            Self::BelowAll | Self::AboveAll => None,
        }
    }

    /// How it is written, to be looked for as a part of something; nothing is as long as what is beyond all.
    fn part(self) -> Option<String> {
        match self {
            Self::Number(n) => Some(n.to_string()),
            Self::Text(text) => Some(text),
            Self::BelowAll | Self::AboveAll => None,
        }
    }
}

impl Kind {
    /// The field can be null, so `null` as a value means that.
    fn is_nullable(self) -> bool {
        matches!(
            self,
            Self::Number { nullable: true } | Self::Text { nullable: true }
        )
    }

    /// Its value, and what one looks like.
    fn value(self, text: &str) -> (Option<Given>, &'static str) {
        match self {
            Self::Number { .. } | Self::Numbers => (Given::number(text), "an integer"),
            Self::Bool => (Given::bool(text), "true or false"),
            Self::Text { .. } | Self::Texts => (Some(Given::Text(text.to_owned())), "a text"),
            Self::Identifier => (
                Given::identifier(text),
                "1 to 50 characters: first an ASCII letter, '_' or '-', then those, digits and '.'",
            ),
            Self::Opaque => (None, "nothing: this field cannot be filtered by"),
        }
    }
}

/// The filter that `parameter` asks for with these values.
///
/// # Errors
/// `Invalid` for a value that is not of the field's kind, or an operator that is not for it.
pub(super) fn read<F: Copy>(
    column: &Column<F>,
    parameter: &str,
    operator: Operator,
    values: &[String],
) -> Result<Filter<F>> {
    let kind = column.kind;
    let mut has_null = false;
    let mut given = Vec::with_capacity(values.len());
    for text in values {
        if text == "null" && kind.is_nullable() {
            has_null = true;
            continue;
        }
        let (value, rule) = kind.value(text);
        let wrong = || Error::invalid(parameter, format!("{rule}, got {}", shown(text)));
        given.push(value.ok_or_else(wrong)?);
    }
    let Some(field) = column.field.filter(|_| operator.fits(kind)) else {
        return Err(Error::invalid(
            parameter,
            "this operator is not for this field",
        ));
    };
    given.sort();
    given.dedup();
    let test = |test| Filter::Field(field, test);
    let known = || given.iter().filter_map(Given::value).collect::<Vec<_>>();
    let is_list = matches!(kind, Kind::Numbers | Kind::Texts);
    Ok(match operator {
        // No list is equal to one of its elements.
        Operator::Eq | Operator::In if is_list => Filter::nothing(),
        Operator::Ne | Operator::NotIn if is_list => Filter::everything(),
        Operator::Eq | Operator::In => {
            let any = has_null.then(|| test(Test::IsNull));
            Filter::Any(any.into_iter().chain([test(among(known()))]).collect())
        }
        Operator::Ne | Operator::NotIn => test(Test::NotIn(known())),
        // Nothing compares with null.
        _ if operator.is_comparison() && has_null => Filter::nothing(),
        // All must hold, so the hardest tells.
        Operator::Lt => below(field, &given[0], Test::Lt),
        Operator::Le => below(field, &given[0], Test::Le),
        Operator::Gt => above(field, &given[given.len() - 1], Test::Gt),
        Operator::Ge => above(field, &given[given.len() - 1], Test::Ge),
        Operator::Contains => {
            if given.len() > MAX_PARTS {
                let rule = format!("at most {MAX_PARTS} values, got {}", given.len());
                return Err(Error::invalid(parameter, rule));
            }
            let parts = given.into_iter().filter_map(Given::part);
            Filter::Any(parts.map(|part| test(Test::Contains(part))).collect())
        }
    })
}

fn among(mut values: Vec<Value>) -> Test {
    match values.pop() {
        Some(value) if values.is_empty() => Test::Eq(value),
        Some(value) => {
            values.push(value);
            Test::In(values)
        }
        None => Test::In(values),
    }
}

fn below<F>(field: F, given: &Given, test: fn(Value) -> Test) -> Filter<F> {
    match given.value() {
        Some(value) => Filter::Field(field, test(value)),
        None if *given == Given::AboveAll => not_null(field),
        None => Filter::nothing(),
    }
}

fn above<F>(field: F, given: &Given, test: fn(Value) -> Test) -> Filter<F> {
    match given.value() {
        Some(value) => Filter::Field(field, test(value)),
        None if *given == Given::BelowAll => not_null(field),
        None => Filter::nothing(),
    }
}

fn not_null<F>(field: F) -> Filter<F> {
    Filter::Field(field, Test::IsNull).negate()
}
