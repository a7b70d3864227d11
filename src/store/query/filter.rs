//! Filter, order and cursor values -> SQL conditions: the one place where they become SQL, for GraphQL and REST alike.

use sea_orm::{
    Condition, DbBackend, Order as SqlOrder,
    sea_query::{Expr, ExprTrait, Func, NullOrdering, OrderedStatement},
};

use crate::domain::{
    filter::{Direction, Filter, Test, Value},
    page::{KeysetKey, Order},
};

/// How many conditions stand in one row.
const GROUP: usize = 16;

/// A field that can be filtered and ordered by.
pub(crate) trait FilterField: Copy + std::fmt::Debug {
    /// Its value in SQL.
    fn sql(self) -> Expr;
    /// It can be null.
    fn nullable(self) -> bool;
    /// It is text, else a number.
    fn is_text(self) -> bool;
    /// What rows are ordered by where that is not the field's value, such as a list; no list is the least.
    fn rank(self, _backend: DbBackend) -> Option<Expr> {
        None
    }
    /// The test in SQL, true or false but never null.
    fn test(self, backend: DbBackend, test: &Test) -> Condition {
        column_test(backend, self, test)
    }
}

/// How a field is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

fn always() -> Condition {
    Condition::all().add(Expr::cust("1 = 1"))
}

pub(crate) fn never() -> Condition {
    Condition::all().add(Expr::cust("1 = 0"))
}

fn constant(truth: bool) -> Condition {
    if truth { always() } else { never() }
}

/// The rows that pass the filter.
pub(crate) fn condition<F: FilterField>(backend: DbBackend, filter: &Filter<F>) -> Condition {
    let condition = |part| condition(backend, part);
    match filter {
        // sea-query leaves out an empty condition, which inside a `NOT` would turn its meaning around.
        Filter::All(parts) if parts.is_empty() => always(),
        Filter::Any(parts) if parts.is_empty() => never(),
        Filter::All(parts) => joined(parts.iter().map(condition).collect(), Condition::all),
        Filter::Any(parts) => joined(parts.iter().map(condition).collect(), Condition::any),
        Filter::Not(inner) => Condition::all().add(condition(inner)).not(),
        Filter::Field(field, test) => field.test(backend, test),
    }
}

/// Conditions in groups of groups: what stands in one row sea-query writes by recursion, one in the other, and a caller
/// may send a thousand.
fn joined(mut parts: Vec<Condition>, join: fn() -> Condition) -> Condition {
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

/// The field's bytes, where the database would compare texts by the rules of a language.
fn bytes<F: FilterField>(backend: DbBackend, field: F) -> Expr {
    match backend {
        DbBackend::MySql if field.is_text() => field.sql().cast_as("BINARY"),
        _ => field.sql(),
    }
}

/// What the field is ordered by, and compared as less or greater: texts by code point.
fn ordered<F: FilterField>(backend: DbBackend, field: F) -> Expr {
    match backend {
        DbBackend::Postgres if field.is_text() => {
            Expr::cust_with_expr("$1 COLLATE \"C\"", field.sql())
        }
        _ => bytes(backend, field),
    }
}

fn compare<F: FilterField>(backend: DbBackend, field: F, how: Compare, value: &Value) -> Condition {
    use Compare::{Eq, Ge, Gt, Le, Lt, Ne};
    let is_text = matches!(value, Value::Text(_));
    // A cursor may bring anything. As SQLite has it, every number is less than every text.
    if backend != DbBackend::Sqlite && field.is_text() != is_text {
        return constant(how == Ne || (field.is_text() != matches!(how, Lt | Le)) && how != Eq);
    }
    let given = value;
    let (how, value) = match (how, value) {
        // PostgreSQL's texts hold no NUL, so none stands between what is before the NUL and the whole.
        (how, Value::Text(text)) if backend == DbBackend::Postgres && text.contains('\0') => {
            let before = text.split('\0').next().unwrap_or_default();
            let how = match how {
                Eq | Ne => return constant(how == Ne),
                Lt | Le => Le,
                Gt | Ge => Gt,
            };
            (how, Value::Text(before.to_owned()))
        }
        (how, value) => (how, value.clone()),
    };
    let value = sea_orm::Value::from(&value);
    let test = match how {
        Eq => {
            return equal(backend, field, is_wide(given), |column| {
                column.eq(value.clone())
            });
        }
        Ne => bytes(backend, field).ne(value),
        Lt => ordered(backend, field).lt(value),
        Le => ordered(backend, field).lte(value),
        Gt => ordered(backend, field).gt(value),
        Ge => ordered(backend, field).gte(value),
    };
    Condition::all().add(test)
}

/// A test for equality: on the column as it is, so that its index is used, and on its bytes where they may tell more.
/// MariaDB refuses to compare a column of three bytes a character, as Buildbot's are, with a wide value other than by bytes.
fn equal<F: FilterField>(
    backend: DbBackend,
    field: F,
    wide: bool,
    test: impl Fn(Expr) -> Expr,
) -> Condition {
    if backend != DbBackend::MySql || !field.is_text() {
        return Condition::all().add(test(field.sql()));
    }
    let by_bytes = Condition::all().add(test(bytes(backend, field)));
    if wide {
        by_bytes
    } else {
        by_bytes.add(test(field.sql()))
    }
}

/// It has a character of four bytes.
fn is_wide(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.chars().any(|c| c > '\u{ffff}'))
}

/// The values that a column of this database can hold at all.
fn possible(backend: DbBackend, values: &[Value]) -> Vec<&Value> {
    let has_nul = |value: &Value| matches!(value, Value::Text(text) if text.contains('\0'));
    values
        .iter()
        .filter(|value| backend != DbBackend::Postgres || !has_nul(value))
        .collect()
}

/// The test on the field's column.
pub(crate) fn column_test<F: FilterField>(backend: DbBackend, field: F, test: &Test) -> Condition {
    let compare = |how, value| compare(backend, field, how, value);
    let condition = match test {
        Test::IsNull => return Condition::all().add(field.sql().is_null()),
        Test::Eq(value) => compare(Compare::Eq, value),
        Test::Ne(value) => compare(Compare::Ne, value),
        Test::Lt(value) => compare(Compare::Lt, value),
        Test::Le(value) => compare(Compare::Le, value),
        Test::Gt(value) => compare(Compare::Gt, value),
        Test::Ge(value) => compare(Compare::Ge, value),
        Test::In(values) => match possible(backend, values) {
            values if values.is_empty() => return never(),
            values => {
                let wide = values.iter().any(|value| is_wide(value));
                equal(backend, field, wide, |column| {
                    column.is_in(values.iter().copied())
                })
            }
        },
        Test::NotIn(values) => match possible(backend, values) {
            values if values.is_empty() => always(),
            values => Condition::all().add(bytes(backend, field).is_not_in(values)),
        },
        // Unlike LIKE it knows case, and has no wildcards to escape.
        Test::Contains(part) if backend == DbBackend::Postgres => {
            if part.contains('\0') {
                return never();
            }
            let whole = if field.is_text() {
                field.sql()
            } else {
                field.sql().cast_as("text")
            };
            let place = Func::cust("strpos").arg(whole).arg(part.as_str());
            Condition::all().add(Expr::expr(place).gt(0))
        }
        Test::Contains(part) => {
            let place = Func::cust("instr")
                .arg(bytes(backend, field))
                .arg(part.as_str());
            Condition::all().add(Expr::expr(place).gt(0))
        }
    };
    // A comparison with null is unknown in SQL; here it is false, so that `NOT` of it is true.
    if field.nullable() {
        Condition::all()
            .add(field.sql().is_not_null())
            .add(condition)
    } else {
        condition
    }
}

/// 1 where the condition holds, else 0.
pub(crate) fn flag(condition: Expr) -> Expr {
    Expr::case(condition, Expr::cust("1"))
        .finally(Expr::cust("0"))
        .into()
}

/// Orders the rows; nulls come first ascending and last descending.
pub(crate) fn order_by<F: FilterField>(
    backend: DbBackend,
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
        let (sql, nulls) = match direction {
            Direction::Asc => (SqlOrder::Asc, NullOrdering::First),
            Direction::Desc => (SqlOrder::Desc, NullOrdering::Last),
        };
        let rank = field.rank(backend);
        let nullable = field.nullable() || rank.is_some();
        let by = rank.unwrap_or_else(|| ordered(backend, *field));
        // The others have null as the least value by themselves.
        if backend == DbBackend::Postgres && nullable {
            statement.order_by_expr_with_nulls(by, sql, nulls);
        } else {
            statement.order_by_expr(by, sql);
        }
    }
}

/// The rows strictly behind the place `key` in the order; `before`: strictly in front of it.
pub(crate) fn beyond<F: FilterField>(
    backend: DbBackend,
    order: &Order<F>,
    key: &KeysetKey,
    before: bool,
) -> Condition {
    let compare = |field, how, value| compare(backend, field, how, value);
    let mut any = Condition::any();
    let mut equal_so_far = Condition::all();
    for ((field, direction), value) in order.iter().zip(key) {
        let ascending = (*direction == Direction::Asc) != before;
        // Null is the least value there is.
        let further = match (value, ascending) {
            (Some(v), true) => Some(compare(*field, Compare::Gt, v)),
            (Some(v), false) if field.nullable() => Some(
                Condition::any()
                    .add(compare(*field, Compare::Lt, v))
                    .add(field.sql().is_null()),
            ),
            (Some(v), false) => Some(compare(*field, Compare::Lt, v)),
            (None, true) => Some(Condition::all().add(field.sql().is_not_null())),
            (None, false) => None,
        };
        if let Some(further) = further {
            any = any.add(equal_so_far.clone().add(further));
        }
        equal_so_far = equal_so_far.add(match value {
            Some(v) => compare(*field, Compare::Eq, v),
            None => Condition::all().add(field.sql().is_null()),
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
