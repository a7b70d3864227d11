//! Which rows of a list to select, of the whole table or of one parent.

use sea_orm::{
    QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, SelectStatement},
};

use crate::{
    domain::{
        filter::{Filter, Order},
        keyset::KeysetRange,
        page::PageArgs,
    },
    store::{
        db::dialect::SqlDialect,
        query::{field::ListedEntity, filter::condition, keyset::beyond, order::order_by},
    },
};

/// The id that the rows of a list share.
pub(crate) trait Parent:
    Into<sea_orm::Value> + Copy + Eq + std::hash::Hash + Send + 'static
{
}

impl<P: Into<sea_orm::Value> + Copy + Eq + std::hash::Hash + Send + 'static> Parent for P {}

/// Which rows, in which order.
pub(crate) struct Selection<'a, F> {
    pub(crate) filter: &'a Filter<F>,
    pub(crate) order: &'a Order<F>,
    pub(crate) range: RowRange<'a>,
}

/// Which of the ordered rows.
#[derive(Clone, Copy)]
pub(crate) enum RowRange<'a> {
    Keyset(&'a KeysetRange),
    Offset { limit: u64, offset: u64 },
}

impl<'a, F> From<&'a PageArgs<F>> for Selection<'a, F> {
    fn from(args: &'a PageArgs<F>) -> Self {
        Self {
            filter: &args.filter,
            order: &args.order,
            range: RowRange::Keyset(&args.range),
        }
    }
}

impl<F> Selection<'_, F> {
    pub(crate) fn is_backward(&self) -> bool {
        matches!(self.range, RowRange::Keyset(range) if range.backward)
    }

    /// How many rows are wanted.
    pub(crate) fn size(&self) -> u64 {
        match self.range {
            RowRange::Keyset(range) => range.size,
            RowRange::Offset { limit, .. } => limit,
        }
    }

    /// How many rows of each parent are left out, and how many are selected after those.
    pub(crate) fn offset_and_limit(&self) -> (u64, u64) {
        match self.range {
            // One row more than wanted shows whether there are more.
            RowRange::Keyset(range) => (0, range.size + 1),
            RowRange::Offset { limit, offset } => (offset, limit),
        }
    }
}

/// The rows that belong to the selection, neither ordered nor limited.
pub(crate) fn matching<E: ListedEntity>(
    dialect: SqlDialect,
    selection: &Selection<'_, E::Field>,
    parents: Option<Expr>,
) -> Select<E> {
    let mut query = E::select(dialect).filter(condition(dialect, selection.filter));
    if let Some(parents) = parents {
        query = query.filter(parents);
    }
    if let RowRange::Keyset(range) = selection.range {
        if let Some(after) = &range.after {
            query = query.filter(beyond(dialect, selection.order, after, false));
        }
        if let Some(before) = &range.before {
            query = query.filter(beyond(dialect, selection.order, before, true));
        }
    }
    query
}

/// The rows of the selection, of one parent or of the whole table.
pub(crate) fn select<E: ListedEntity>(
    dialect: SqlDialect,
    selection: &Selection<'_, E::Field>,
    parent: Option<Expr>,
) -> SelectStatement {
    let (offset, limit) = selection.offset_and_limit();
    let mut query = matching::<E>(dialect, selection, parent).limit(limit);
    if offset > 0 {
        query = query.offset(offset);
    }
    let mut select = query.into_query();
    order_by(
        dialect,
        &mut select,
        selection.order,
        selection.is_backward(),
    );
    select
}
