//! Filters and orders as plain values: what GraphQL and REST ask for and the store turns into SQL.
//! Every test is true or false, never unknown: a comparison with null is false, and `Not` is the
//! complement.

/// A condition on the rows of one table; `F` names its fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Filter<F> {
    /// All hold; with none, true.
    All(Vec<Self>),
    /// One holds; with none, false.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// The field passes the test.
    Field(F, Test),
}

/// A test of one field's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// Equal.
    Eq(Value),
    /// Not null and not equal.
    Ne(Value),
    /// Less.
    Lt(Value),
    /// Less or equal.
    Le(Value),
    /// Greater.
    Gt(Value),
    /// Greater or equal.
    Ge(Value),
    /// One of these.
    In(Vec<Value>),
    /// Not null and none of these.
    NotIn(Vec<Value>),
    /// A case-sensitive substring, of a number in decimal, or for a list one of its elements.
    Contains(String),
    /// Null.
    IsNull,
}

/// What a field is compared with, or what a row is ordered by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    /// Numbers, ids, times in seconds.
    Int(i64),
    /// Text, compared by code point.
    Text(String),
}

impl<F> Filter<F> {
    /// A filter that no row passes.
    #[must_use]
    pub(crate) fn nothing() -> Self {
        Self::Any(Vec::new())
    }

    /// A filter that every row passes.
    #[must_use]
    pub(crate) fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// The complement.
    #[must_use]
    pub(crate) fn negate(self) -> Self {
        Self::Not(Box::new(self))
    }
}

/// Ascending or descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    /// Nulls first.
    Asc,
    /// Nulls last.
    Desc,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub(crate) fn reversed(self) -> Self {
        match self {
            Self::Asc => Self::Desc,
            Self::Desc => Self::Asc,
        }
    }
}

/// An order: fields with directions, most significant first; the last is always the id.
pub(crate) type Order<F> = Vec<(F, Direction)>;
