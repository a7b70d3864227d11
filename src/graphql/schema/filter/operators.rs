//! The inputs that test one value: a number, a text, a list of texts, a time, a result.

use async_graphql::{InputObject, MaybeUndefined};

use crate::graphql::schema::{results::Results, scalar::DateTime};

/// A test of a number.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct IntFilter {
    pub(crate) eq: MaybeUndefined<i32>,
    pub(crate) ne: MaybeUndefined<i32>,
    pub(crate) lt: MaybeUndefined<i32>,
    pub(crate) le: MaybeUndefined<i32>,
    pub(crate) gt: MaybeUndefined<i32>,
    pub(crate) ge: MaybeUndefined<i32>,
    pub(crate) r#in: MaybeUndefined<Vec<i32>>,
    pub(crate) not_in: MaybeUndefined<Vec<i32>>,
    pub(crate) is_null: Option<bool>,
}

/// A test of a text. Texts are compared by code point; `contains` is a case-sensitive substring.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct StringFilter {
    pub(crate) eq: MaybeUndefined<String>,
    pub(crate) ne: MaybeUndefined<String>,
    pub(crate) contains: MaybeUndefined<String>,
    pub(crate) r#in: MaybeUndefined<Vec<String>>,
    pub(crate) not_in: MaybeUndefined<Vec<String>>,
}

/// A test of a list of texts: `contains` asks for one of its elements.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct StringListFilter {
    pub(crate) contains: MaybeUndefined<String>,
}

/// A test of a time.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct DateTimeFilter {
    pub(crate) eq: MaybeUndefined<DateTime>,
    pub(crate) lt: MaybeUndefined<DateTime>,
    pub(crate) le: MaybeUndefined<DateTime>,
    pub(crate) gt: MaybeUndefined<DateTime>,
    pub(crate) ge: MaybeUndefined<DateTime>,
    pub(crate) is_null: Option<bool>,
}

/// A test of a result.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct ResultsFilter {
    pub(crate) eq: MaybeUndefined<Results>,
    pub(crate) ne: MaybeUndefined<Results>,
    pub(crate) r#in: MaybeUndefined<Vec<Results>>,
    pub(crate) not_in: MaybeUndefined<Vec<Results>>,
    pub(crate) is_null: Option<bool>,
}
