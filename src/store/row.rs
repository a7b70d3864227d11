//! A row of a query, whoever has read it. Columns are read by their place in the statement, which
//! is the order of the model's fields.

use rusqlite::types::ValueRef;
use sea_orm::{DbErr, QueryResult, TryGetable};

use crate::{
    domain::id::{BuildId, BuilderId, ChangeId, LogId, Position, StepId},
    store::unchecked_int::UncheckedInt,
};

/// A row of a query.
#[derive(Clone, Copy)]
pub(crate) enum Row<'r> {
    /// Read by a connection of a pool.
    Pooled(&'r QueryResult),
    /// Read inline. Only values of the usual types are taken from it; with any other the statement
    /// is run by the pool, so that there is one judgement of odd values.
    Inline(&'r rusqlite::Row<'r>),
}

impl<'r> Row<'r> {
    /// The value in this column, counted from 0.
    pub(crate) fn get<T: ColumnValue>(self, place: usize) -> Result<T, DbErr> {
        match self {
            Self::Pooled(row) => row.try_get_by(place),
            Self::Inline(row) => {
                let value = row.get_ref(place).ok().and_then(T::from_sqlite);
                value.ok_or_else(|| DbErr::Type(format!("the value in column {place} is odd")))
            }
        }
    }

    /// The columns from the first on.
    pub(crate) fn columns(self) -> Columns<'r> {
        Columns {
            row: self,
            place: 0,
        }
    }

    /// What was read of a row; `None` for one that cannot be read, which is logged: SQLite lets
    /// anybody write one, and it must not take its neighbours with it.
    ///
    /// # Errors
    /// The row was read inline: the pool's connections say whether it can be read.
    pub(crate) fn if_readable<T>(self, read: Result<T, DbErr>) -> Result<Option<T>, DbErr> {
        match self {
            Self::Pooled(_) => Ok(if_readable(read)),
            Self::Inline(_) => read.map(Some),
        }
    }
}

/// Leaves out a row that cannot be read, and logs it.
pub(crate) fn if_readable<T>(row: Result<T, DbErr>) -> Option<T> {
    row.inspect_err(|error| tracing::warn!(%error, "a row that cannot be read is left out"))
        .ok()
}

/// The columns of a row, one after the other.
pub(crate) struct Columns<'r> {
    row: Row<'r>,
    place: usize,
}

impl Columns<'_> {
    /// The value in the next column.
    pub(crate) fn take<T: ColumnValue>(&mut self) -> Result<T, DbErr> {
        let place = self.place;
        self.place += 1;
        self.row.get(place)
    }
}

/// What is read of a row.
pub(crate) trait FromRow: Sized {
    /// Reads it.
    fn from_row(row: Row<'_>) -> Result<Self, DbErr>;
}

/// Reads a model whose fields are its columns, in order.
macro_rules! from_row {
    ($model:ty { $($field:ident),* $(,)? }) => {
        impl $crate::store::row::FromRow for $model {
            fn from_row(row: $crate::store::row::Row<'_>) -> Result<Self, sea_orm::DbErr> {
                let mut columns = row.columns();
                Ok(Self {
                    $($field: columns.take()?,)*
                })
            }
        }
    };
}

pub(crate) use from_row;

impl<A: ColumnValue> FromRow for (A,) {
    fn from_row(row: Row<'_>) -> Result<Self, DbErr> {
        Ok((row.get(0)?,))
    }
}

impl<A: ColumnValue, B: ColumnValue> FromRow for (A, B) {
    fn from_row(row: Row<'_>) -> Result<Self, DbErr> {
        Ok((row.get(0)?, row.get(1)?))
    }
}

/// A type that columns are read as.
pub(crate) trait ColumnValue: TryGetable {
    /// A value of SQLite's as this type; `None` for one that the pool is to judge.
    fn from_sqlite(value: ValueRef<'_>) -> Option<Self>;
}

impl ColumnValue for i64 {
    fn from_sqlite(value: ValueRef<'_>) -> Option<Self> {
        value.as_i64().ok()
    }
}

impl ColumnValue for i32 {
    fn from_sqlite(value: ValueRef<'_>) -> Option<Self> {
        value.as_i64().ok()?.try_into().ok()
    }
}

impl ColumnValue for i16 {
    fn from_sqlite(value: ValueRef<'_>) -> Option<Self> {
        value.as_i64().ok()?.try_into().ok()
    }
}

impl ColumnValue for String {
    fn from_sqlite(value: ValueRef<'_>) -> Option<Self> {
        value.as_str().ok().map(Self::from)
    }
}

impl ColumnValue for UncheckedInt {
    fn from_sqlite(value: ValueRef<'_>) -> Option<Self> {
        i64::from_sqlite(value).map(Self::Int)
    }
}

impl<T: ColumnValue> ColumnValue for Option<T> {
    fn from_sqlite(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Null => Some(None),
            value => T::from_sqlite(value).map(Some),
        }
    }
}

macro_rules! id_column {
    ($($id:ident),*) => {
        $(
            impl ColumnValue for $id {
                fn from_sqlite(value: ValueRef<'_>) -> Option<Self> {
                    ColumnValue::from_sqlite(value).map(Self)
                }
            }
        )*
    };
}

id_column!(BuilderId, BuildId, StepId, LogId, ChangeId, Position);
