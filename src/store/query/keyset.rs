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

/// The condition that rows strictly behind the key pass; `before`: rows strictly in front of it.
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
    if any.is_empty() { never() } else { any }
}

/// Whether the field's value is further on than this one; none where nothing is. Null is the least
/// value there is.
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
