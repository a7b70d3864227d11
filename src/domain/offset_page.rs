//! A page of a list by offset, as REST asks for it.

use crate::domain::filter::{Filter, Order};

/// A page as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OffsetPageArgs<F> {
    /// Which rows belong to the list.
    pub(crate) filter: Filter<F>,
    pub(crate) order: Order<F>,
    /// How many rows at most …
    pub(crate) limit: u64,
    /// … after how many are left out.
    pub(crate) offset: u64,
}

/// The rows of a page, and how long the list is.
#[derive(Clone, Debug)]
pub(crate) struct OffsetPage<T> {
    /// Rows that cannot be read are left out.
    pub(crate) rows: Vec<T>,
    /// How many rows the whole list has.
    pub(crate) total: u64,
}
