//! Lists of rows in SQL: windows over a whole table or per parent, and counts.
//! However many parents ask, a level of a query is one statement.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, IdenStatic,
    QueryFilter, QueryResult, QuerySelect, QueryTrait, Select, TryGetable,
    sea_query::{Asterisk, Expr, ExprTrait, Query, SelectStatement, UnionType, WindowStatement},
};

use crate::{
    domain::{
        error::Result,
        filter::Filter,
        page::{KeysetRange, OffsetPage, OffsetPageArgs, Order, PageArgs, Rows},
    },
    store::{Db, query::filter},
};

/// How many terms a compound SELECT of SQLite has at most.
const MAX_TERMS: usize = 500;
/// Beyond so many values, reading a union's text costs more than reading the rows.
const MAX_UNION_BINDS: usize = 5_000;
/// How many values a statement binds at most; SQLite takes 32,766.
pub(crate) const MAX_BINDS: usize = 30_000;

/// A table whose rows are listed.
pub(crate) trait ListedEntity: EntityTrait {
    /// What its rows are filtered and ordered by.
    type Field: filter::FilterField;
    /// The table's name.
    const TABLE: &'static str;
}

/// The id that the rows of a list share.
pub(crate) trait Parent: Into<sea_orm::Value> + Copy + Eq + std::hash::Hash {}

impl<P: Into<sea_orm::Value> + Copy + Eq + std::hash::Hash> Parent for P {}

/// Which rows of each parent, and in which order.
pub(crate) struct Selection<'a, F> {
    pub(crate) filter: &'a Filter<F>,
    pub(crate) order: &'a Order<F>,
    pub(crate) range: RowRange<'a>,
}

/// Which part of the ordered rows.
pub(crate) enum RowRange<'a> {
    Keyset(&'a KeysetRange),
    Offset { limit: u64, offset: u64 },
}

impl<'a, F> From<&'a PageArgs<F>> for Selection<'a, F> {
    fn from(args: &'a PageArgs<F>) -> Self {
        Self {
            filter: &args.filter,
            order: &args.order,
            range: RowRange::Keyset(&args.window),
        }
    }
}

impl<F> Selection<'_, F> {
    fn backward(&self) -> bool {
        matches!(self.range, RowRange::Keyset(window) if window.backward)
    }

    /// How many rows of each parent are left out, and how many are taken after those.
    fn offset_and_limit(&self) -> (u64, u64) {
        match self.range {
            // One more tells whether there are more.
            RowRange::Keyset(window) => (0, window.size + 1),
            RowRange::Offset { limit, offset } => (offset, limit),
        }
    }
}

/// The rows that belong to the slice, neither ordered nor limited.
fn matching<E: ListedEntity>(
    backend: DbBackend,
    slice: &Selection<'_, E::Field>,
    parents: Option<Expr>,
) -> Select<E> {
    let mut query = E::find().filter(filter::condition(backend, slice.filter));
    if let Some(parents) = parents {
        query = query.filter(parents);
    }
    if let RowRange::Keyset(window) = &slice.range {
        if let Some(after) = &window.after {
            query = query.filter(filter::beyond(backend, slice.order, after, false));
        }
        if let Some(before) = &window.before {
            query = query.filter(filter::beyond(backend, slice.order, before, true));
        }
    }
    query
}

/// The rows of the slice, of one parent or of the whole table.
fn select<E: ListedEntity>(
    backend: DbBackend,
    slice: &Selection<'_, E::Field>,
    parent: Option<Expr>,
) -> SelectStatement {
    let (offset, limit) = slice.offset_and_limit();
    let mut query = matching::<E>(backend, slice, parent).limit(limit);
    if offset > 0 {
        query = query.offset(offset);
    }
    let mut select = query.into_query();
    filter::order_by(backend, &mut select, slice.order, slice.backward());
    select
}

/// One indexed look-up per parent: the cheapest, as long as it is not too much text to read.
fn united<E: ListedEntity>(
    backend: DbBackend,
    slice: &Selection<'_, E::Field>,
    parents: impl Iterator<Item = Expr>,
) -> SelectStatement {
    let mut terms = parents.map(|parent| select::<E>(backend, slice, Some(parent)));
    let wrapped = |term| {
        Query::select()
            .column(Asterisk)
            .from_subquery(term, E::TABLE)
            .take()
    };
    let mut union = terms.next().map(wrapped).unwrap_or_default();
    // SQLite knows no parentheses around a term; MariaDB would make a temporary table of each that is a subquery.
    union.unions(terms.map(|term| match backend {
        DbBackend::Sqlite => (UnionType::All, wrapped(term)),
        _ => (UnionType::All, term),
    }));
    ordered::<E>(backend, slice, union)
}

/// The rows of all parents numbered within each: reads them all, but takes any number of parents and any filter.
fn numbered<E: ListedEntity>(
    backend: DbBackend,
    slice: &Selection<'_, E::Field>,
    parent: E::Column,
    parents: Expr,
) -> SelectStatement {
    let (offset, limit) = slice.offset_and_limit();
    let mut within = WindowStatement::partition_by((E::default(), parent));
    filter::order_by(backend, &mut within, slice.order, slice.backward());
    let mut inner = matching::<E>(backend, slice, Some(parents)).into_query();
    inner.expr_window_as(Expr::cust("ROW_NUMBER()"), within, "place");
    let mut select = ordered::<E>(backend, slice, inner);
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let (first, last) = (signed(offset) + 1, signed(offset.saturating_add(limit)));
    select.and_where(Expr::col("place").between(first, last));
    select
}

fn ordered<E: ListedEntity>(
    backend: DbBackend,
    slice: &Selection<'_, E::Field>,
    rows: SelectStatement,
) -> SelectStatement {
    let mut select = Query::select();
    select.column(Asterisk).from_subquery(rows, E::TABLE);
    filter::order_by(backend, &mut select, slice.order, slice.backward());
    select
}

/// The rows of one window over the whole table.
pub(crate) async fn page<E: ListedEntity>(
    db: &Db,
    args: &PageArgs<E::Field>,
) -> Result<Rows<E::Model>> {
    let raw = raw(db, select::<E>(db.backend(), &args.into(), None)).await?;
    Ok(read(&raw.iter().collect::<Vec<_>>(), args.window.size))
}

/// A part of the rows, of one parent or of the whole table, and how many there are.
pub(crate) async fn part<E: ListedEntity>(
    db: &Db,
    args: &OffsetPageArgs<E::Field>,
    parent: Option<Expr>,
) -> Result<OffsetPage<E::Model>> {
    // No statement takes a larger one.
    let [limit, offset] = [args.limit, args.offset].map(|n| Ord::min(n, i64::MAX.unsigned_abs()));
    let slice = Selection {
        filter: &args.filter,
        order: &args.order,
        range: RowRange::Offset { limit, offset },
    };
    let found = match limit {
        0 => Vec::new(),
        _ => raw(db, select::<E>(db.backend(), &slice, parent.clone())).await?,
    };
    let total = match found.len() as u64 {
        // The end of the list has been seen.
        n if 0 < n && n < limit => offset + n,
        0 if limit > 0 && offset == 0 => 0,
        _ => counted(db, matching::<E>(db.backend(), &slice, parent)).await?,
    };
    let rows = read(&found.iter().collect::<Vec<_>>(), limit).rows;
    Ok(OffsetPage { rows, total })
}

/// The rows of the same slice for each of these parents, in the slice's order.
pub(crate) async fn pages<E: ListedEntity, P: Parent + TryGetable>(
    db: &Db,
    slice: &Selection<'_, E::Field>,
    parent: E::Column,
    parents: &[P],
) -> Result<HashMap<P, Rows<E::Model>>> {
    let size = match slice.range {
        RowRange::Keyset(window) => window.size,
        RowRange::Offset { limit, .. } => limit,
    };
    let mut pages = HashMap::with_capacity(parents.len());
    for parents in parents.chunks(MAX_BINDS / 2) {
        let raw = raw(db, slices::<E, P>(db, slice, parent, parents)).await?;
        let mut grouped: HashMap<P, Vec<&QueryResult>> = HashMap::with_capacity(parents.len());
        for row in &raw {
            let parent: P = row.try_get("", parent.as_str())?;
            grouped.entry(parent).or_default().push(row);
        }
        pages.extend(
            grouped
                .into_iter()
                .map(|(parent, rows)| (parent, read(&rows, size))),
        );
    }
    Ok(pages)
}

/// The cheapest statement that gives every parent's rows.
fn slices<E: ListedEntity, P: Parent>(
    db: &Db,
    slice: &Selection<'_, E::Field>,
    parent: E::Column,
    parents: &[P],
) -> SelectStatement {
    let backend = db.backend();
    let mut terms = parents.iter().map(|id| parent.eq(*id));
    if let [_] = parents {
        return select::<E>(backend, slice, terms.next());
    }
    let one = db.statement(&select::<E>(backend, slice, terms.clone().next()));
    let binds = one.values.map_or(0, |values| values.0.len());
    if parents.len() <= MAX_TERMS && binds * parents.len() <= MAX_UNION_BINDS {
        united::<E>(backend, slice, terms)
    } else {
        numbered::<E>(
            backend,
            slice,
            parent,
            parent.is_in(parents.iter().copied()),
        )
    }
}

/// Every row of each of these parents that passes the filter, in order, up to so many in all.
pub(crate) async fn all<E: ListedEntity, P: Parent>(
    db: &Db,
    filter: &Filter<E::Field>,
    order: &Order<E::Field>,
    parent: E::Column,
    parents: &[P],
    most: u64,
) -> Result<Vec<E::Model>> {
    let mut found = Vec::new();
    for parents in parents.chunks(MAX_BINDS / 2) {
        let left = most.saturating_sub(found.len() as u64);
        let mut select = E::find()
            .filter(parent.is_in(parents.iter().copied()))
            .filter(filter::condition(db.backend(), filter))
            .into_query();
        filter::order_by(db.backend(), &mut select, order, false);
        // No statement takes a larger one.
        select.limit(Ord::min(left, i64::MAX.unsigned_abs()));
        found.append(&mut rows::<E>(db, select).await?);
    }
    Ok(found)
}

/// The rows with these values in a unique column.
pub(crate) async fn by_key<E: EntityTrait, K: Into<sea_orm::Value> + Clone>(
    db: &Db,
    column: E::Column,
    keys: &[K],
) -> Result<Vec<E::Model>> {
    let mut found = Vec::new();
    for keys in keys.chunks(MAX_BINDS) {
        let query = E::find().filter(column.is_in(keys.iter().cloned()));
        found.append(&mut rows::<E>(db, query.into_query()).await?);
    }
    Ok(found)
}

/// How many rows of the whole table pass the filter.
pub(crate) async fn count<E: ListedEntity>(db: &Db, filter: &Filter<E::Field>) -> Result<u64> {
    counted(
        db,
        E::find().filter(filter::condition(db.backend(), filter)),
    )
    .await
}

/// How many rows a query has.
async fn counted<E: EntityTrait>(db: &Db, query: Select<E>) -> Result<u64> {
    let select = query
        .select_only()
        .expr_as(Expr::cust("COUNT(*)"), "number");
    let rows = raw(db, select.into_query()).await?;
    let number: i64 = match rows.first() {
        Some(row) => row.try_get("", "number")?,
        None => 0,
    };
    Ok(u64::try_from(number).unwrap_or_default())
}

/// How many rows of each of these parents pass the filter.
pub(crate) async fn counts<E: ListedEntity, P: Parent + TryGetable>(
    db: &Db,
    filter: &Filter<E::Field>,
    parent: E::Column,
    parents: &[P],
) -> Result<HashMap<P, u64>> {
    let mut counts = HashMap::with_capacity(parents.len());
    for parents in parents.chunks(MAX_BINDS / 2) {
        let select = E::find()
            .select_only()
            .column(parent)
            .expr_as(Expr::cust("COUNT(*)"), "number")
            .filter(parent.is_in(parents.iter().copied()))
            .filter(filter::condition(db.backend(), filter))
            .group_by(parent);
        for row in raw(db, select.into_query()).await? {
            let number: i64 = row.try_get("", "number")?;
            let id = row.try_get("", parent.as_str())?;
            counts.insert(id, u64::try_from(number).unwrap_or_default());
        }
    }
    Ok(counts)
}

/// The rows of a statement that can be read.
pub(crate) async fn rows<E: EntityTrait>(
    db: &Db,
    select: SelectStatement,
) -> Result<Vec<E::Model>> {
    let raw = raw(db, select).await?;
    let rows = raw
        .iter()
        .filter_map(|row| readable(E::Model::from_query_result(row, "")));
    Ok(rows.collect())
}

async fn raw(db: &Db, select: SelectStatement) -> Result<Vec<QueryResult>> {
    Ok(db.reader().query_all_raw(db.statement(&select)).await?)
}

/// At most `size` of these rows. Whether there were more is judged before it is known which can be read:
/// one that cannot must not end a list.
pub(crate) fn read<M: FromQueryResult>(raw: &[&QueryResult], size: u64) -> Rows<M> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let rows = raw.iter().take(size);
    Rows {
        rows: rows
            .filter_map(|row| readable(M::from_query_result(row, "")))
            .collect(),
        more: raw.len() > size,
    }
}

/// A row that cannot be read, which SQLite lets anybody write, must not take its neighbours with it.
pub(crate) fn readable<T>(row: Result<T, DbErr>) -> Option<T> {
    row.inspect_err(|error| tracing::warn!(%error, "a row that cannot be read is left out"))
        .ok()
}
