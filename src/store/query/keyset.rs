//! The rows on one side of a key.

use sea_orm::{Condition, sea_query::ExprTrait};

use crate::{
    domain::{
        filter::{Direction, Order, Value},
        keyset::KeysetKey,
    },
    store::{
        db::dialect::SqlDialect,
        query::{
            compare::{Comparison, compare, never},
            field::FilterField,
        },
    },
};

/// The condition that selects the rows strictly after the key, or with `before` strictly before it.
pub(crate) fn beyond<F: FilterField>(
    dialect: SqlDialect,
    order: &Order<F>,
    key: &KeysetKey,
    before: bool,
) -> Condition {
    let mut any = Condition::any();
    let mut equal_so_far = Condition::all();
    for ((field, direction), value) in order.iter().zip(key) {
        let ascending = (*direction == Direction::Asc) != before;
        if let Some(further) = further(dialect, *field, value.as_ref(), ascending) {
            any = any.add(equal_so_far.clone().add(further));
        }
        equal_so_far = equal_so_far.add(match value {
            Some(v) => compare(dialect, *field, Comparison::Eq, v),
            None => Condition::all().add(field.sql(dialect).is_null()),
        });
    }
    // sea-query leaves out an empty condition, and every row would pass.
    if any.is_empty() { never() } else { any }
}

/// Whether the field's value comes after this one; `None` if no value can. Null is the least
/// value.
fn further<F: FilterField>(
    dialect: SqlDialect,
    field: F,
    value: Option<&Value>,
    ascending: bool,
) -> Option<Condition> {
    let column = || field.sql(dialect);
    match (value, ascending) {
        (Some(v), true) => Some(compare(dialect, field, Comparison::Gt, v)),
        (Some(v), false) if field.is_nullable() => Some(
            Condition::any()
                .add(compare(dialect, field, Comparison::Lt, v))
                .add(column().is_null()),
        ),
        (Some(v), false) => Some(compare(dialect, field, Comparison::Lt, v)),
        (None, true) => Some(Condition::all().add(column().is_not_null())),
        (None, false) => None,
    }
}
