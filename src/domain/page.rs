//! A page of a list by cursor: what is asked for, what was read, and what is returned.

use crate::domain::{
    filter::{Filter, Order},
    invalid_argument::InvalidArgument,
    keyset::KeysetRange,
};

/// A page as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PageArgs<F> {
    /// Which rows belong to the list.
    pub(crate) filter: Filter<F>,
    pub(crate) order: Order<F>,
    /// Which of the rows in that order.
    pub(crate) range: KeysetRange,
}

/// Rows as they were read, at most as many as asked for.
#[derive(Clone, Debug)]
pub(crate) struct Rows<T> {
    /// Rows that could not be read are left out.
    pub(crate) rows: Vec<T>,
    /// There was at least one more row than asked for.
    pub(crate) more: bool,
}

impl<T> Rows<T> {
    /// The same rows as another type.
    pub(crate) fn map<U: From<T>>(self) -> Rows<U> {
        Rows {
            rows: self.rows.into_iter().map(U::from).collect(),
            more: self.more,
        }
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            more: false,
        }
    }
}

/// The rows of a page, and whether there are more on either side.
#[derive(Clone, Debug)]
pub(crate) struct Page<T> {
    /// In the order asked for.
    pub(crate) rows: Vec<T>,
    /// There are rows behind these.
    pub(crate) has_next: bool,
    /// There are rows before these.
    pub(crate) has_previous: bool,
}

impl KeysetRange {
    /// Makes a page of what was read; a backward range was read from its end.
    ///
    /// # Errors
    /// There are rows, but none can be read, so there is no cursor to go on from.
    pub(crate) fn page<T>(&self, read: Rows<T>) -> Result<Page<T>, InvalidArgument> {
        let Rows { mut rows, more } = read;
        // A page of size 0 is empty because it was asked for.
        if rows.is_empty() && more && self.size > 0 {
            let argument = if self.backward { "last" } else { "first" };
            let rule = "a larger page, since no row of this one can be read";
            let reason = format!("{rule}, got {}", self.size);
            return Err(InvalidArgument::new(argument, reason));
        }
        if self.backward {
            rows.reverse();
        }
        // A cursor is the key of a row, so there is at least that row on its side.
        let (ahead, behind) = (self.before.is_some(), self.after.is_some());
        Ok(Page {
            rows,
            has_next: ahead || (more && !self.backward),
            has_previous: behind || (more && self.backward),
        })
    }
}
