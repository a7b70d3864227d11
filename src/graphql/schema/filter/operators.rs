//! The inputs that test one value: a number, a text, a list of texts, a time, a result.

use async_graphql::{InputObject, MaybeUndefined};

use crate::{
    domain::results::{self, ResultsSet},
    graphql::schema::{results::Results, scalar::DateTime},
};

/// A test of a number. All given tests must hold; a comparison with null is false.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct IntFilter {
    /// This number.
    pub(crate) eq: MaybeUndefined<i32>,
    /// Any number but this.
    pub(crate) ne: MaybeUndefined<i32>,
    /// Less than this.
    pub(crate) lt: MaybeUndefined<i32>,
    /// This or less.
    pub(crate) le: MaybeUndefined<i32>,
    /// Greater than this.
    pub(crate) gt: MaybeUndefined<i32>,
    /// This or greater.
    pub(crate) ge: MaybeUndefined<i32>,
    /// One of these numbers; none if the list is empty.
    pub(crate) r#in: MaybeUndefined<Vec<i32>>,
    /// Any number but these.
    pub(crate) not_in: MaybeUndefined<Vec<i32>>,
    /// True: null. False: anything but null.
    pub(crate) is_null: Option<bool>,
}

/// A test of a text, which distinguishes upper and lower case unless it says otherwise. All given tests must hold.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct StringFilter {
    /// Exactly this text.
    pub(crate) eq: MaybeUndefined<String>,
    /// Any text but this.
    pub(crate) ne: MaybeUndefined<String>,
    /// Any text with this one somewhere in it. No character is a wildcard.
    pub(crate) contains: MaybeUndefined<String>,
    /// Any text with this one somewhere in it in upper or lower case, by Unicode's simple case folding: É is é, but ß is not ss. At most 1,000 characters and 100 different letters, each of which counts as a condition.
    pub(crate) contains_ignore_case: MaybeUndefined<String>,
    /// Any text that begins with this one. No character is a wildcard.
    pub(crate) starts_with: MaybeUndefined<String>,
    /// One of these texts; none if the list is empty.
    pub(crate) r#in: MaybeUndefined<Vec<String>>,
    /// Any text but these.
    pub(crate) not_in: MaybeUndefined<Vec<String>>,
}

/// A test of a list of texts.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct StringListFilter {
    /// One element is exactly this text.
    pub(crate) contains: MaybeUndefined<String>,
}

/// A test of a time, in whole seconds. All given tests must hold; a comparison with null is false.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct DateTimeFilter {
    /// This very second.
    pub(crate) eq: MaybeUndefined<DateTime>,
    /// Before this.
    pub(crate) lt: MaybeUndefined<DateTime>,
    /// This or before.
    pub(crate) le: MaybeUndefined<DateTime>,
    /// After this.
    pub(crate) gt: MaybeUndefined<DateTime>,
    /// This or after.
    pub(crate) ge: MaybeUndefined<DateTime>,
    /// True: null. False: anything but null.
    pub(crate) is_null: Option<bool>,
}

/// A test of a result. All given tests must hold; a comparison with null is false.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct ResultsFilter {
    /// This result.
    pub(crate) eq: MaybeUndefined<Results>,
    /// Any result but this.
    pub(crate) ne: MaybeUndefined<Results>,
    /// One of these results; none if the list is empty.
    pub(crate) r#in: MaybeUndefined<Vec<Results>>,
    /// Any result but these.
    pub(crate) not_in: MaybeUndefined<Vec<Results>>,
    /// True: null. False: anything but null.
    pub(crate) is_null: Option<bool>,
}

impl ResultsFilter {
    /// The results that pass every given test.
    pub(crate) fn read(&self) -> ResultsSet {
        ResultsSet::of(|results| {
            compare(&self.eq, |v| results == Some((*v).into()))
                && compare(&self.ne, |v| results.is_some_and(|r| r != (*v).into()))
                && compare(&self.r#in, |list| is_in(results, list) == Some(true))
                && compare(&self.not_in, |list| is_in(results, list) == Some(false))
                && self
                    .is_null
                    .is_none_or(|is_null| results.is_none() == is_null)
        })
    }
}

/// Whether a test holds that may be left out; with an explicit null it never does.
fn compare<T>(operand: &MaybeUndefined<T>, test: impl FnOnce(&T) -> bool) -> bool {
    match operand {
        MaybeUndefined::Undefined => true,
        MaybeUndefined::Null => false,
        MaybeUndefined::Value(value) => test(value),
    }
}

/// Whether the list has these results; null is neither in it nor not.
fn is_in(results: Option<results::Results>, list: &[Results]) -> Option<bool> {
    let results = results?;
    Some(list.iter().any(|r| results == (*r).into()))
}
