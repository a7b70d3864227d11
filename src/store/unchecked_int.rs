//! A number column that Buildbot does not check: SQLite keeps whatever was bound to it.

use sea_orm::{
    ColIdx, QueryResult, TryGetError, TryGetable,
    sea_query::{ArrayType, ColumnType, Nullable, Value, ValueType, ValueTypeErr},
    sqlx::{Row, TypeInfo, ValueRef},
};
use serde::{Deserialize, Serialize};

use crate::domain::filter;

/// A value of such a column. One that is not a number must not make its row, or the rows beside it,
/// unreadable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum UncheckedInt {
    Int(i64),
    /// Anything else, as text; compared with the column, it matches its own row.
    Invalid(Box<str>),
}

impl UncheckedInt {
    /// The number, if it is one, rounded down.
    #[must_use]
    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "`as` saturates, which is what is wanted"
            )]
            Self::Invalid(text) => text.parse::<f64>().ok().map(|x| x.floor() as i64),
        }
    }

    /// The seconds since another time; `None` if they are negative, unknown or do not fit an Int.
    #[must_use]
    pub(crate) fn seconds_since(&self, start: &Self) -> Option<i32> {
        let seconds: Option<i32> = self.int()?.checked_sub(start.int()?)?.try_into().ok();
        // Buildbot takes times in any order, and clocks differ.
        seconds.filter(|seconds| *seconds >= 0)
    }

    /// The value that rows are ordered by.
    #[must_use]
    pub(crate) fn value(&self) -> filter::Value {
        match self {
            Self::Int(n) => filter::Value::Int(*n),
            Self::Invalid(text) => filter::Value::Text(text.to_string()),
        }
    }
}

/// The bytes of a column's numbers on PostgreSQL if they are fewer than 8: its driver reads a
/// number by the exact width, and Buildbot's differ from ours.
fn narrow_width<I: ColIdx>(row: &QueryResult, index: I) -> Option<u8> {
    let row = row.try_as_pg_row()?;
    let value = row.try_get_raw(index.as_sqlx_postgres_index()).ok()?;
    match value.type_info().name() {
        "INT2" => Some(2),
        "INT4" => Some(4),
        _ => None,
    }
}

impl TryGetable for UncheckedInt {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        let int = match narrow_width(row, index) {
            Some(2) => i16::try_get_by(row, index).map(i64::from),
            Some(_) => i32::try_get_by(row, index).map(i64::from),
            None => i64::try_get_by(row, index),
        };
        match int {
            Ok(n) => Ok(Self::Int(n)),
            Err(null @ TryGetError::Null(_)) => Err(null),
            Err(TryGetError::DbErr(_)) => {
                let real = f64::try_get_by(row, index).map(|x| x.to_string());
                let text = real.or_else(|_| String::try_get_by(row, index));
                Ok(Self::Invalid(text.unwrap_or_default().into()))
            }
        }
    }
}

impl From<UncheckedInt> for Value {
    fn from(value: UncheckedInt) -> Self {
        value.int().into()
    }
}

impl From<i64> for UncheckedInt {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl ValueType for UncheckedInt {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        <i64 as ValueType>::try_from(value).map(Self::Int)
    }

    fn type_name() -> String {
        "UncheckedInt".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::BigInt
    }

    fn column_type() -> ColumnType {
        ColumnType::BigInteger
    }
}

impl Nullable for UncheckedInt {
    fn null() -> Value {
        i64::null()
    }
}
