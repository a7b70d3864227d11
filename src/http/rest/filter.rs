//! One filter's parameter -> a filter of the store: what its values mean, and what each operator asks.

use crate::{
    domain::{
        error::{Error, Result},
        filter::{Filter, Test, Value},
        step::MAX_STEP_NAME,
    },
    http::rest::{
        query::{FieldKind, ResourceField},
        response::shown,
    },
};

/// The most values that one `contains` may have.
const MAX_PARTS: usize = 100;

/// What comes behind `__`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterOperator {
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

impl FilterOperator {
    /// Every name there is.
    pub(crate) const NAMES: [&str; 9] = [
        "eq", "ne", "lt", "le", "gt", "ge", "contains", "in", "notin",
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
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
    pub(crate) fn fits(self, kind: FieldKind) -> bool {
        match kind {
            FieldKind::Opaque => false,
            FieldKind::Numbers | FieldKind::Texts => !self.is_comparison(),
            FieldKind::Bool => self != Self::Contains,
            FieldKind::Number { .. } | FieldKind::Text { .. } | FieldKind::Identifier => true,
        }
    }
}

/// A value as it was given, in the order in which rows are compared with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operand {
    /// A number that is less than any there can be.
    BelowAll,
    Number(i64),
    Text(String),
    /// A number that is greater than any there can be.
    AboveAll,
}

impl Operand {
    /// What Python's `int` takes, of ASCII: spaces around, a sign, digits with single underscores between them.
    pub(crate) fn number(text: &str) -> Option<Self> {
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

impl FieldKind {
    /// The field can be null, so `null` as a value means that.
    fn is_nullable(self) -> bool {
        matches!(
            self,
            Self::Number { nullable: true } | Self::Text { nullable: true }
        )
    }

    /// Its value, and what one looks like.
    fn value(self, text: &str) -> (Option<Operand>, &'static str) {
        match self {
            Self::Number { .. } | Self::Numbers => (Operand::number(text), "an integer"),
            Self::Bool => (Operand::bool(text), "true or false"),
            Self::Text { .. } | Self::Texts => (Some(Operand::Text(text.to_owned())), "a text"),
            Self::Identifier => (
                Operand::identifier(text),
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
pub(crate) fn read<F: Copy>(
    column: &ResourceField<F>,
    parameter: &str,
    operator: FilterOperator,
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
    let known = || given.iter().filter_map(Operand::value).collect::<Vec<_>>();
    let is_list = matches!(kind, FieldKind::Numbers | FieldKind::Texts);
    Ok(match operator {
        // No list is equal to one of its elements.
        FilterOperator::Eq | FilterOperator::In if is_list => Filter::nothing(),
        FilterOperator::Ne | FilterOperator::NotIn if is_list => Filter::everything(),
        FilterOperator::Eq | FilterOperator::In => {
            let any = has_null.then(|| test(Test::IsNull));
            Filter::Any(any.into_iter().chain([test(among(known()))]).collect())
        }
        FilterOperator::Ne | FilterOperator::NotIn => test(Test::NotIn(known())),
        // Nothing compares with null.
        _ if operator.is_comparison() && has_null => Filter::nothing(),
        // All must hold, so the hardest tells.
        FilterOperator::Lt => below(field, &given[0], Test::Lt),
        FilterOperator::Le => below(field, &given[0], Test::Le),
        FilterOperator::Gt => above(field, &given[given.len() - 1], Test::Gt),
        FilterOperator::Ge => above(field, &given[given.len() - 1], Test::Ge),
        FilterOperator::Contains => {
            if given.len() > MAX_PARTS {
                let rule = format!("at most {MAX_PARTS} values, got {}", given.len());
                return Err(Error::invalid(parameter, rule));
            }
            let parts = given.into_iter().filter_map(Operand::part);
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

fn below<F>(field: F, given: &Operand, test: fn(Value) -> Test) -> Filter<F> {
    match given.value() {
        Some(value) => Filter::Field(field, test(value)),
        None if *given == Operand::AboveAll => not_null(field),
        None => Filter::nothing(),
    }
}

fn above<F>(field: F, given: &Operand, test: fn(Value) -> Test) -> Filter<F> {
    match given.value() {
        Some(value) => Filter::Field(field, test(value)),
        None if *given == Operand::BelowAll => not_null(field),
        None => Filter::nothing(),
    }
}

fn not_null<F>(field: F) -> Filter<F> {
    Filter::Field(field, Test::IsNull).negate()
}
