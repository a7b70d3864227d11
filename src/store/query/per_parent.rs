//! Rows of many parents at once: however many ask, a level of a query is one statement.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, DbBackend, IdenStatic, IntoSimpleExpr, Iterable, Order as SqlOrder, QueryFilter,
    QueryTrait,
    sea_query::{Asterisk, Expr, ExprTrait, Query, SelectStatement, UnionType, WindowStatement},
};

use crate::{
    domain::{
        error::Result,
        filter::{Filter, Order},
        page::Rows,
    },
    store::{
        db::{database::Db, dialect::SqlDialect},
        query::{
            field::ListedEntity,
            filter::condition,
            order::order_by,
            rows::{MAX_BINDS, page, read_all, read_row, read_rows},
            selection::{Parent, RowRange, Selection, matching, select},
        },
        row::{ColumnValue, Row},
    },
};

/// How many terms a compound SELECT of SQLite has at most.
const MAX_TERMS: usize = 500;
/// Above so many values, parsing a union costs more than reading the rows.
const MAX_UNION_BINDS: usize = 5_000;

/// The first row in this order of each of these parents that passes the filter; parents without one
/// are left out.
pub(crate) async fn first_of<E: ListedEntity, P: Parent + ColumnValue>(
    db: &Db,
    (filter, order): (&Filter<E::Field>, &Order<E::Field>),
    parent: E::Column,
    parents: &[P],
) -> Result<HashMap<P, E::Model>> {
    let selection = Selection {
        filter,
        order,
        range: RowRange::Offset {
            limit: 1,
            offset: 0,
        },
    };
    let pages = pages_of::<E, _>(db, &selection, parent, parents).await?;
    let pages = pages.into_iter();
    Ok(pages
        .filter_map(|(id, mut page)| Some((id, page.rows.pop()?)))
        .collect())
}

/// The same selection of the rows of each of these parents; parents without any are left out.
pub(crate) async fn pages_of<E: ListedEntity, P: Parent + ColumnValue>(
    db: &Db,
    selection: &Selection<'_, E::Field>,
    parent: E::Column,
    parents: &[P],
) -> Result<HashMap<P, Rows<E::Model>>> {
    let mut pages = HashMap::with_capacity(parents.len());
    let is_parent = |column: E::Column| column.as_str() == parent.as_str();
    let place = E::Column::iter().position(is_parent).unwrap_or_default();
    // The other half is for the values of the filter and the keys.
    for parents in parents.chunks(MAX_BINDS / 2) {
        let select = select_of::<E, P>(db.dialect(), selection, parent, parents);
        let read = move |row: Row<'_>| {
            let id: P = row.get(place)?;
            let (row, bytes) = read_row(row)?;
            Ok(((id, row), bytes))
        };
        let mut grouped: HashMap<P, Vec<_>> = HashMap::with_capacity(parents.len());
        for (id, row) in read_rows(db, &select, read).await? {
            grouped.entry(id).or_default().push(row);
        }
        let size = selection.size();
        let grouped = grouped.into_iter();
        pages.extend(grouped.map(|(id, rows)| (id, page(rows, size))));
    }
    Ok(pages)
}

/// The cheapest statement for the rows of every parent.
fn select_of<E: ListedEntity, P: Parent>(
    dialect: SqlDialect,
    selection: &Selection<'_, E::Field>,
    parent: E::Column,
    parents: &[P],
) -> SelectStatement {
    let mut terms = parents.iter().map(|id| parent.eq(*id));
    if let [_] = parents {
        return select::<E>(dialect, selection, terms.next());
    }
    let one = select::<E>(dialect, selection, terms.clone().next());
    let binds = dialect.backend.build(&one).values.map_or(0, |v| v.0.len());
    if parents.len() <= MAX_TERMS && binds * parents.len() <= MAX_UNION_BINDS {
        union::<E>(dialect, selection, terms)
    } else {
        let parents = parent.is_in(parents.iter().copied());
        numbered::<E>(dialect, selection, parent, parents)
    }
}

/// One indexed look-up per parent: the cheapest, unless its text becomes too long.
fn union<E: ListedEntity>(
    dialect: SqlDialect,
    selection: &Selection<'_, E::Field>,
    parents: impl Iterator<Item = Expr>,
) -> SelectStatement {
    let mut terms = parents.map(|parent| select::<E>(dialect, selection, Some(parent)));
    let wrap = |term| {
        Query::select()
            .column(Asterisk)
            .from_subquery(term, E::TABLE)
            .take()
    };
    let mut union = terms.next().map(wrap).unwrap_or_default();
    // SQLite allows no parentheses around a term; MariaDB would make a temporary table of each
    // term that is a subquery.
    union.unions(terms.map(|term| match dialect.backend {
        DbBackend::Sqlite => (UnionType::All, wrap(term)),
        _ => (UnionType::All, term),
    }));
    select_ordered::<E>(dialect, selection, union)
}

/// The rows of all parents numbered within each: reads them all, but takes any number of parents
/// and any filter.
fn numbered<E: ListedEntity>(
    dialect: SqlDialect,
    selection: &Selection<'_, E::Field>,
    parent: E::Column,
    parents: Expr,
) -> SelectStatement {
    let (offset, limit) = selection.offset_and_limit();
    let mut within = WindowStatement::partition_by((E::default(), parent));
    order_by(
        dialect,
        &mut within,
        selection.order,
        selection.is_backward(),
    );
    let mut inner = matching::<E>(dialect, selection, Some(parents)).into_query();
    inner.expr_window_as(Expr::cust("ROW_NUMBER()"), within, "nth");
    let mut select = select_ordered::<E>(dialect, selection, inner);
    // PostgreSQL has no unsigned numbers.
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let (first, last) = (signed(offset) + 1, signed(offset.saturating_add(limit)));
    select.and_where(Expr::col("nth").between(first, last));
    select
}

fn select_ordered<E: ListedEntity>(
    dialect: SqlDialect,
    selection: &Selection<'_, E::Field>,
    rows: SelectStatement,
) -> SelectStatement {
    let mut select = Query::select();
    select.column(Asterisk).from_subquery(rows, E::TABLE);
    order_by(
        dialect,
        &mut select,
        selection.order,
        selection.is_backward(),
    );
    select
}

/// Every row of these parents that passes the filter, parent by parent and in order within each; at
/// most `limit` in all.
pub(crate) async fn all_of<E: ListedEntity, P: Parent>(
    db: &Db,
    filter: &Filter<E::Field>,
    order: &Order<E::Field>,
    parent: E::Column,
    parents: &[P],
    limit: u64,
) -> Result<Vec<E::Model>> {
    let mut found = Vec::new();
    for parents in parents.chunks(MAX_BINDS / 2) {
        let left = limit.saturating_sub(found.len() as u64);
        let dialect = db.dialect();
        let mut select = E::select(dialect)
            .filter(parent.is_in(parents.iter().copied()))
            .filter(condition(dialect, filter))
            .into_query();
        // The index of a parent's rows has this order: nothing is sorted.
        select.order_by_expr(parent.into_simple_expr(), SqlOrder::Asc);
        order_by(dialect, &mut select, order, false);
        // Databases take no larger number.
        select.limit(Ord::min(left, i64::MAX.unsigned_abs()));
        found.append(&mut read_all(db, select).await?);
    }
    Ok(found)
}
