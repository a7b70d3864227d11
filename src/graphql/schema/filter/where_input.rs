//! Reads the argument `where` of any list, within limits.

use crate::domain::{
    error::{Error, Result},
    filter::{Filter, Test},
    folded_text::{FoldedText, check_folded},
    invalid_argument::InvalidArgument,
};

/// The most conditions that one `where` may hold, lists of values counted with their length.
const MAX_CONDITIONS: usize = 1_000;
/// How deep `and`, `or` and `not` may nest: sea-query writes conditions by recursion.
const MAX_DEPTH: usize = 20;

/// Translates a `where` into a filter. Fails if it exceeds the limits. It is boxed: arguments are
/// moved several times, and it has up to 1,304 bytes.
pub(crate) fn read_where<F, I: Into<Filter<F>>>(input: Option<Box<I>>) -> Result<Filter<F>> {
    let Some(input) = input else {
        return Ok(Filter::everything());
    };
    let filter = (*input).into();
    check_texts(&filter)?;
    let (conditions, depth) = measure(&filter);
    if conditions > MAX_CONDITIONS {
        let rule = format!("at most {MAX_CONDITIONS} conditions and values, got {conditions}");
        return Err(Error::invalid("where", rule));
    }
    // A level of input is two levels here: the object, and its `and`, `or` or `not`. The innermost
    // object adds one, for its conditions.
    if depth > 2 * MAX_DEPTH + 1 {
        let rule = format!(
            "and, or and not nest at most {MAX_DEPTH} deep, got {}",
            depth / 2
        );
        return Err(Error::invalid("where", rule));
    }
    Ok(filter)
}

/// Checks the texts that are searched for in any case.
fn check_texts<F>(filter: &Filter<F>) -> Result<(), InvalidArgument> {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => parts.iter().try_for_each(check_texts),
        Filter::Not(inner) => check_texts(inner),
        Filter::Field(_, Test::ContainsIgnoreCase(text)) => check_folded(text),
        Filter::Field(..) => Ok(()),
    }
}

/// How many conditions and values a filter has, and how deep it nests.
fn measure<F>(filter: &Filter<F>) -> (usize, usize) {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => parts
            .iter()
            .map(measure)
            .fold((1, 0), |(n, d), (m, e)| (n + m, d.max(e + 1))),
        // `isNull: false` and `hidden: true` become this, and are one condition.
        Filter::Not(inner) if matches!(**inner, Filter::Field(..)) => measure(inner),
        Filter::Not(inner) => {
            let (n, d) = measure(inner);
            (n + 1, d + 1)
        }
        // The database replaces each of its letters.
        Filter::Field(_, Test::ContainsIgnoreCase(text)) => {
            (1 + FoldedText::new(text).letters(), 0)
        }
        Filter::Field(_, Test::In(values) | Test::NotIn(values)) => (1 + values.len(), 0),
        Filter::Field(..) => (1, 0),
    }
}
