//! Comparisons of a field with a value, alike on every database: texts by code point, and every
//! number less than every text.

use sea_orm::{
    Condition, DbBackend,
    sea_query::{Expr, ExprTrait, Func},
};

use crate::{
    domain::{
        filter::{Test, Value},
        folded_text::FoldedText,
    },
    store::{
        db::dialect::SqlDialect,
        query::{
            field::{FilterField, bytes, ordered},
            fold::fold,
        },
    },
};

/// How a field is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

pub(crate) fn always() -> Condition {
    Condition::all().add(Expr::cust("1 = 1"))
}

pub(crate) fn never() -> Condition {
    Condition::all().add(Expr::cust("1 = 0"))
}

fn constant(truth: bool) -> Condition {
    if truth { always() } else { never() }
}

/// Whether the field compares so with the value.
pub(crate) fn compare<F: FilterField>(
    dialect: SqlDialect,
    field: F,
    comparison: Comparison,
    value: &Value,
) -> Condition {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    let SqlDialect { backend, .. } = dialect;
    let is_text = matches!(value, Value::Text(_));
    // A cursor may hold any value. As on SQLite, every number is less than every text.
    if backend != DbBackend::Sqlite && field.is_text() != is_text {
        let is_greater = field.is_text();
        return constant(match comparison {
            Ne => true,
            Eq => false,
            Lt | Le => !is_greater,
            Gt | Ge => is_greater,
        });
    }
    let (comparison, bound) = match value {
        Value::Text(text) if backend == DbBackend::Postgres && text.contains('\0') => {
            match before_nul(comparison, text) {
                Ok(replaced) => replaced,
                Err(truth) => return constant(truth),
            }
        }
        value => (comparison, sea_orm::Value::from(value)),
    };
    let test = match comparison {
        Eq => {
            return equal(dialect, field, is_ascii(value), |column| {
                column.eq(bound.clone())
            });
        }
        Ne => bytes(dialect, field).ne(bound),
        Lt => ordered(dialect, field).lt(bound),
        Le => ordered(dialect, field).lte(bound),
        Gt => ordered(dialect, field).gt(bound),
        Ge => ordered(dialect, field).gte(bound),
    };
    Condition::all().add(test)
}

/// A comparison with a text that has a NUL, or its constant result, on PostgreSQL: its texts hold
/// no NUL, so none sorts between the part before the NUL and the whole.
fn before_nul(comparison: Comparison, text: &str) -> Result<(Comparison, sea_orm::Value), bool> {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    let comparison = match comparison {
        Eq => return Err(false),
        Ne => return Err(true),
        Lt | Le => Le,
        Gt | Ge => Gt,
    };
    let before = text.split('\0').next().unwrap_or_default();
    Ok((comparison, before.into()))
}

/// A test for equality: on the column as it is, so that its index is used, and on its bytes where
/// the collation may take different texts for equal. A column whose character set lacks a character
/// of the value is compared only by bytes: MariaDB refuses the other test.
fn equal<F: FilterField>(
    dialect: SqlDialect,
    field: F,
    is_ascii: bool,
    test: impl Fn(Expr) -> Expr,
) -> Condition {
    if dialect.backend != DbBackend::MySql || !field.is_text() {
        return Condition::all().add(test(field.sql(dialect)));
    }
    let by_bytes = Condition::all().add(test(bytes(dialect, field)));
    if is_ascii {
        by_bytes.add(test(field.sql(dialect)))
    } else {
        by_bytes
    }
}

/// Whether every character set has its characters.
fn is_ascii(value: &Value) -> bool {
    !matches!(value, Value::Text(text) if !text.is_ascii())
}

/// The values that a column of this database can hold at all.
fn possible(backend: DbBackend, values: &[Value]) -> Vec<&Value> {
    let has_nul = |value: &Value| matches!(value, Value::Text(text) if text.contains('\0'));
    values
        .iter()
        .filter(|value| backend != DbBackend::Postgres || !has_nul(value))
        .collect()
}

/// A test of the field's value, true or false but never null.
pub(crate) fn value_test<F: FilterField>(dialect: SqlDialect, field: F, test: &Test) -> Condition {
    let compare = |comparison, value| compare(dialect, field, comparison, value);
    let condition = match test {
        Test::IsNull => return Condition::all().add(field.sql(dialect).is_null()),
        Test::Eq(value) => compare(Comparison::Eq, value),
        Test::Ne(value) => compare(Comparison::Ne, value),
        Test::Lt(value) => compare(Comparison::Lt, value),
        Test::Le(value) => compare(Comparison::Le, value),
        Test::Gt(value) => compare(Comparison::Gt, value),
        Test::Ge(value) => compare(Comparison::Ge, value),
        Test::In(values) => match possible(dialect.backend, values) {
            values if values.is_empty() => return never(),
            values => {
                let is_ascii = values.iter().all(|value| is_ascii(value));
                equal(dialect, field, is_ascii, |column| {
                    column.is_in(values.iter().copied())
                })
            }
        },
        Test::NotIn(values) => match possible(dialect.backend, values) {
            values if values.is_empty() => always(),
            values => Condition::all().add(bytes(dialect, field).is_not_in(values)),
        },
        Test::Contains(part) => contains(dialect, whole(dialect, field), part),
        Test::ContainsIgnoreCase(part) => {
            let folded = FoldedText::new(part);
            contains(dialect, fold(dialect, field, &folded), &folded.text)
        }
    };
    // A comparison with null is unknown in SQL; here it is false, so that `NOT` of it is true.
    if field.is_nullable() {
        Condition::all()
            .add(field.sql(dialect).is_not_null())
            .add(condition)
    } else {
        condition
    }
}

/// The field's value as `contains` searches it.
fn whole<F: FilterField>(dialect: SqlDialect, field: F) -> Expr {
    match dialect.backend {
        DbBackend::Postgres if !field.is_text() => field.sql(dialect).cast_as("text"),
        _ => bytes(dialect, field),
    }
}

/// Whether a text holds another. Unlike LIKE this knows case, and has no wildcards to escape.
fn contains(dialect: SqlDialect, whole: Expr, part: &str) -> Condition {
    let index = if dialect.backend == DbBackend::Postgres {
        if part.contains('\0') {
            return never();
        }
        Func::cust("strpos")
    } else {
        Func::cust("instr")
    };
    Condition::all().add(Expr::expr(index.arg(whole).arg(part)).gt(0))
}

impl From<&Value> for sea_orm::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Int(n) => (*n).into(),
            Value::Text(t) => t.as_str().into(),
        }
    }
}
