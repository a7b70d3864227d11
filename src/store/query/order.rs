//! An order as `ORDER BY`.

use sea_orm::{
    DbBackend, Order as SqlOrder,
    sea_query::{NullOrdering, OrderedStatement},
};

use crate::{
    domain::filter::{Direction, Order},
    store::{
        db::dialect::SqlDialect,
        query::field::{FilterField, ordered},
    },
};

/// Orders the rows, with `backward` from last to first; nulls are first ascending, last descending.
pub(crate) fn order_by<F: FilterField>(
    dialect: SqlDialect,
    statement: &mut impl OrderedStatement,
    order: &Order<F>,
    backward: bool,
) {
    for (field, direction) in order {
        // A constant in `ORDER BY` would mean the number of a column.
        if field.is_constant(dialect) {
            continue;
        }
        let direction = if backward {
            direction.reversed()
        } else {
            *direction
        };
        let (sql, nulls) = match direction {
            Direction::Asc => (SqlOrder::Asc, NullOrdering::First),
            Direction::Desc => (SqlOrder::Desc, NullOrdering::Last),
        };
        let rank = field.rank(dialect);
        let is_nullable = field.is_nullable() || rank.is_some();
        let by = rank.unwrap_or_else(|| ordered(dialect, *field));
        // On the other databases null is the least value anyway.
        if dialect.backend == DbBackend::Postgres && is_nullable {
            statement.order_by_expr_with_nulls(by, sql, nulls);
        } else {
            statement.order_by_expr(by, sql);
        }
    }
}
