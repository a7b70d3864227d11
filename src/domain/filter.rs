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
    /// A substring of a text, by Unicode's simple case folding.
    ContainsIgnoreCase(String),
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

/// The tests that a text passes together if it starts with this one. They are comparisons, so that
/// an index by code point serves them.
pub(crate) fn starts_with(prefix: &str) -> impl Iterator<Item = Test> {
    let above = text_above(prefix).map(|above| Test::Lt(Value::Text(above)));
    [Test::Ge(Value::Text(prefix.to_owned()))]
        .into_iter()
        .chain(above)
}

/// The least text that is greater than every text with this prefix; `None` if there is none.
fn text_above(prefix: &str) -> Option<String> {
    let mut kept = prefix.chars();
    while let Some(last) = kept.next_back() {
        // A range of characters leaves out the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            return Some(kept.as_str().to_owned() + next.encode_utf8(&mut [0; 4]));
        }
    }
    None
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_above_a_prefix_is_the_next_one_by_code_point() {
        for (prefix, above) in [
            ("", None),
            ("a", Some("b")),
            ("a\0", Some("a\u{1}")),
            ("\u{7f}", Some("\u{80}")),
            ("x\u{d7ff}", Some("x\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("a\u{10ffff}\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ] {
            assert_eq!(text_above(prefix).as_deref(), above, "{prefix:?}");
        }
    }
}
