//! Filter, order and cursor values -> SQL conditions: the one place where they become SQL, for GraphQL and REST alike.

use sea_orm::{
    Condition, Order as SqlOrder,
    sea_query::{Expr, ExprTrait, Func, OrderedStatement},
};

use crate::model::{
    filter::{Direction, Filter, Test, Value},
    page::{Key, Order},
};

/// A field that can be filtered and ordered by.
pub(super) trait Field: Copy + std::fmt::Debug {
    /// Its value in SQL.
    fn sql(self) -> Expr;
    /// It can be null.
    fn nullable(self) -> bool;
    /// The test in SQL, true or false but never null.
    fn test(self, test: &Test) -> Condition {
        column_test(self, test)
    }
}

fn always() -> Condition {
    Condition::all().add(Expr::cust("1 = 1"))
}

fn never() -> Condition {
    Condition::all().add(Expr::cust("1 = 0"))
}

/// The rows that pass the filter.
pub(super) fn condition<F: Field>(filter: &Filter<F>) -> Condition {
    match filter {
        // sea-query leaves out an empty condition, which inside a `NOT` would turn its meaning around.
        Filter::All(parts) if parts.is_empty() => always(),
        Filter::Any(parts) if parts.is_empty() => never(),
        Filter::All(parts) => parts
            .iter()
            .map(condition)
            .fold(Condition::all(), Condition::add),
        Filter::Any(parts) => parts
            .iter()
            .map(condition)
            .fold(Condition::any(), Condition::add),
        Filter::Not(inner) => Condition::all().add(condition(inner)).not(),
        Filter::Field(field, test) => field.test(test),
    }
}

/// The test on the field's column.
pub(super) fn column_test<F: Field>(field: F, test: &Test) -> Condition {
    let column = field.sql();
    let test = match test {
        Test::IsNull => return Condition::all().add(column.is_null()),
        Test::In(values) if values.is_empty() => return never(),
        Test::Eq(value) => column.eq(value),
        Test::Ne(value) => column.ne(value),
        Test::Lt(value) => column.lt(value),
        Test::Le(value) => column.lte(value),
        Test::Gt(value) => column.gt(value),
        Test::Ge(value) => column.gte(value),
        Test::In(values) => column.is_in(values),
        Test::NotIn(values) if values.is_empty() => Expr::cust("1 = 1"),
        Test::NotIn(values) => column.is_not_in(values),
        // Unlike LIKE it knows case, and has no wildcards to escape.
        Test::Contains(part) => {
            Expr::expr(Func::cust("instr").arg(column).arg(part.as_str())).gt(0)
        }
    };
    let condition = Condition::all();
    // A comparison with null is unknown in SQL; here it is false, so that `NOT` of it is true.
    if field.nullable() {
        condition.add(field.sql().is_not_null()).add(test)
    } else {
        condition.add(test)
    }
}

/// Orders the rows; nulls come first ascending and last descending.
pub(super) fn order_by<F: Field>(
    statement: &mut impl OrderedStatement,
    order: &Order<F>,
    backward: bool,
) {
    for (field, direction) in order {
        let direction = if backward {
            direction.reversed()
        } else {
            *direction
        };
        let sql = match direction {
            Direction::Asc => SqlOrder::Asc,
            Direction::Desc => SqlOrder::Desc,
        };
        statement.order_by_expr(field.sql(), sql);
    }
}

/// The rows strictly behind the place `key` in the order; `before`: strictly in front of it.
pub(super) fn beyond<F: Field>(order: &Order<F>, key: &Key, before: bool) -> Condition {
    let mut any = Condition::any();
    let mut equal_so_far = Condition::all();
    for ((field, direction), value) in order.iter().zip(key) {
        let ascending = (*direction == Direction::Asc) != before;
        // Null is the least value there is.
        let further = match (value, ascending) {
            (Some(v), true) => Some(Condition::all().add(field.sql().gt(v))),
            (Some(v), false) if field.nullable() => Some(
                Condition::any()
                    .add(field.sql().lt(v))
                    .add(field.sql().is_null()),
            ),
            (Some(v), false) => Some(Condition::all().add(field.sql().lt(v))),
            (None, true) => Some(Condition::all().add(field.sql().is_not_null())),
            (None, false) => None,
        };
        if let Some(further) = further {
            any = any.add(equal_so_far.clone().add(further));
        }
        equal_so_far = equal_so_far.add(match value {
            Some(v) => field.sql().eq(v),
            None => field.sql().is_null(),
        });
    }
    if any.is_empty() { never() } else { any }
}

impl From<&Value> for sea_orm::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Int(n) => (*n).into(),
            Value::Text(t) => t.as_str().into(),
        }
    }
}
