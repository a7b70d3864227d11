//! A filter as a condition.

use sea_orm::Condition;

use crate::{
    domain::filter::Filter,
    store::{
        db::dialect::SqlDialect,
        query::{
            compare::{always, never, value_test},
            field::FilterField,
        },
    },
};

/// How many conditions `join` puts side by side.
const GROUP: usize = 16;

/// The condition that the rows of the filter pass.
pub(crate) fn condition<F: FilterField>(dialect: SqlDialect, filter: &Filter<F>) -> Condition {
    let condition = |part| condition(dialect, part);
    match filter {
        // sea-query leaves out an empty condition, which inside a `NOT` would invert its meaning.
        Filter::All(parts) if parts.is_empty() => always(),
        Filter::Any(parts) if parts.is_empty() => never(),
        Filter::All(parts) => join(parts.iter().map(condition).collect(), Condition::all),
        Filter::Any(parts) => join(parts.iter().map(condition).collect(), Condition::any),
        Filter::Not(inner) => Condition::all().add(condition(inner)).not(),
        Filter::Field(field, test) => field
            .own_test(dialect, test)
            .unwrap_or_else(|| value_test(dialect, *field, test)),
    }
}

/// Joins conditions in groups of groups: sea-query writes a list of them by recursion, and a
/// thousand could overflow the stack.
fn join(mut parts: Vec<Condition>, join: fn() -> Condition) -> Condition {
    while parts.len() > GROUP {
        let mut rest = parts.into_iter();
        let mut groups = Vec::new();
        while rest.len() > 0 {
            groups.push(rest.by_ref().take(GROUP).fold(join(), Condition::add));
        }
        parts = groups;
    }
    parts.into_iter().fold(join(), Condition::add)
}
