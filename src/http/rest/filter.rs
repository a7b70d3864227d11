//! Filters: turns a parameter such as `number__ge=3` into a filter of the store.

use crate::{
    domain::{
        error::{Error, Result},
        filter::{Filter, Test, Value},
    },
    http::rest::{
        operand::Operand,
        resource::{FieldKind, Resource, ResourceField},
        response::quote,
    },
};

/// The most values that one `contains` may have: each is a condition of the statement.
const MAX_CONTAINS: usize = 100;

/// An operator, which a parameter names after `__`.
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

    pub(crate) fn from_name(name: &str) -> Option<Self> {
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

    /// Whether the operator compares the order of two values.
    fn is_comparison(self) -> bool {
        matches!(self, Self::Lt | Self::Le | Self::Gt | Self::Ge)
    }

    /// Whether the operator applies to fields of this kind.
    pub(crate) fn is_for(self, kind: FieldKind) -> bool {
        match kind {
            FieldKind::Opaque => false,
            FieldKind::Numbers | FieldKind::Texts => !self.is_comparison(),
            FieldKind::Bool => self != Self::Contains,
            FieldKind::Number { .. } | FieldKind::Text { .. } | FieldKind::Identifier => true,
        }
    }
}

/// Makes the filter of a parameter with these values.
///
/// # Errors
/// `Invalid` for a value that is not of the field's kind, or an operator that is not for it.
pub(crate) fn parse<F: Copy>(
    resource: &Resource<F>,
    field: &ResourceField<F>,
    parameter: &str,
    operator: FilterOperator,
    values: &[String],
) -> Result<Filter<F>> {
    let kind = field.kind;
    let (operands, has_null) = parse_operands(kind, parameter, values)?;
    let Some(field) = field.store_field.filter(|_| operator.is_for(kind)) else {
        return Err(Error::invalid(
            parameter,
            "this operator is not for this field",
        ));
    };
    let test = |test| Filter::Field(field, test);
    let values = || operands.iter().filter_map(Operand::value).collect();
    Ok(match operator {
        // No list is equal to one of its elements.
        FilterOperator::Eq | FilterOperator::In if kind.is_list() => Filter::nothing(),
        FilterOperator::Ne | FilterOperator::NotIn if kind.is_list() => Filter::everything(),
        FilterOperator::Eq | FilterOperator::In => {
            let null = has_null.then(|| test(Test::IsNull));
            Filter::Any(null.into_iter().chain([test(is_among(values()))]).collect())
        }
        FilterOperator::Ne | FilterOperator::NotIn => {
            let matches_null = resource.ne_matches_null && kind.is_nullable() && !has_null;
            let null = matches_null.then(|| test(Test::IsNull));
            let others = test(Test::NotIn(values()));
            Filter::Any(null.into_iter().chain([others]).collect())
        }
        // Nothing compares with null.
        _ if operator.is_comparison() && has_null => Filter::nothing(),
        // All must hold, so the strictest of the sorted operands decides. One exists: no value is
        // null here, and a parameter has at least one.
        FilterOperator::Lt => below(field, &operands[0], Test::Lt),
        FilterOperator::Le => below(field, &operands[0], Test::Le),
        FilterOperator::Gt => above(field, &operands[operands.len() - 1], Test::Gt),
        FilterOperator::Ge => above(field, &operands[operands.len() - 1], Test::Ge),
        FilterOperator::Contains => contains(field, parameter, operands)?,
    })
}

/// Parses the values: the operands in order, each once, and whether one of the values is `null`.
fn parse_operands(
    kind: FieldKind,
    parameter: &str,
    values: &[String],
) -> Result<(Vec<Operand>, bool)> {
    let mut has_null = false;
    let mut operands = Vec::with_capacity(values.len());
    for text in values {
        if text == "null" && kind.is_nullable() {
            has_null = true;
            continue;
        }
        let (operand, rule) = Operand::parse(text, kind);
        let invalid = || Error::invalid(parameter, format!("{rule}, got {}", quote(text)));
        operands.push(operand.ok_or_else(invalid)?);
    }
    operands.sort();
    operands.dedup();
    Ok((operands, has_null))
}

fn is_among(mut values: Vec<Value>) -> Test {
    match values.pop() {
        Some(value) if values.is_empty() => Test::Eq(value),
        Some(value) => {
            values.push(value);
            Test::In(values)
        }
        None => Test::In(values),
    }
}

fn below<F>(field: F, operand: &Operand, test: fn(Value) -> Test) -> Filter<F> {
    match operand.value() {
        Some(value) => Filter::Field(field, test(value)),
        // Every number is less than this one, but null is not.
        None if *operand == Operand::AboveAll => not_null(field),
        None => Filter::nothing(),
    }
}

fn above<F>(field: F, operand: &Operand, test: fn(Value) -> Test) -> Filter<F> {
    match operand.value() {
        Some(value) => Filter::Field(field, test(value)),
        // Every number is greater than this one, but null is not.
        None if *operand == Operand::BelowAll => not_null(field),
        None => Filter::nothing(),
    }
}

fn not_null<F>(field: F) -> Filter<F> {
    Filter::Field(field, Test::IsNull).negate()
}

fn contains<F: Copy>(field: F, parameter: &str, operands: Vec<Operand>) -> Result<Filter<F>> {
    if operands.len() > MAX_CONTAINS {
        let rule = format!("at most {MAX_CONTAINS} values, got {}", operands.len());
        return Err(Error::invalid(parameter, rule));
    }
    let texts = operands.into_iter().filter_map(Operand::into_text);
    let filters = texts.map(|text| Filter::Field(field, Test::Contains(text)));
    Ok(Filter::Any(filters.collect()))
}
