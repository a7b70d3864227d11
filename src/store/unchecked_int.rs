//! A number column that Buildbot does not check: SQLite keeps whatever was bound to it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use sea_orm::{
    ColIdx, QueryResult, TryGetError, TryGetable,
    sea_query::{ArrayType, ColumnType, Nullable, Value, ValueType, ValueTypeErr},
};

use crate::domain::filter;

/// What stands in such a column. One odd value must not make its row, or the rows beside it, unreadable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UncheckedInt {
    /// An integer.
    Int(i64),
    /// Anything else, as text: compared with the column it finds its own row again.
    Invalid(Box<str>),
}

impl UncheckedInt {
    /// The number, if it is one; a fraction is rounded down.
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

    /// What rows are ordered by.
    #[must_use]
    pub(crate) fn value(&self) -> filter::Value {
        match self {
            Self::Int(n) => filter::Value::Int(*n),
            Self::Invalid(text) => filter::Value::Text(text.to_string()),
        }
    }
}

/// After so many odd values the log has said enough.
const MAX_REPORTED: usize = 10_000;

/// The rows whose odd values are in the log already.
#[derive(Clone, Debug, Default)]
pub(crate) struct InvalidValues(Arc<Mutex<HashSet<(&'static str, i32)>>>);

impl InvalidValues {
    /// Logs, once, that a row holds a value that no Buildbot should have written.
    pub(crate) fn report(&self, column: &'static str, id: i32) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < MAX_REPORTED && seen.insert((column, id)) {
            tracing::warn!(column, id, "a value that cannot be read is shown as none");
        }
    }
}

impl TryGetable for UncheckedInt {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        match i64::try_get_by(row, index) {
            Ok(n) => Ok(Self::Int(n)),
            Err(null @ TryGetError::Null(_)) => Err(null),
            Err(TryGetError::DbErr(_)) => {
                // PostgreSQL keeps the widths of integers apart, and Buildbot's are not ours.
                let narrow = i32::try_get_by(row, index).map(i64::from);
                let narrow = narrow.or_else(|_| i16::try_get_by(row, index).map(i64::from));
                match narrow {
                    Ok(n) => return Ok(Self::Int(n)),
                    Err(null @ TryGetError::Null(_)) => return Err(null),
                    Err(TryGetError::DbErr(_)) => {}
                }
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
