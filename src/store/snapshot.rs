//! Steps as they are at one moment of the feed, read page by page in one transaction.

use sea_orm::{
    ConnectionTrait, FromQueryResult, QueryOrder, QueryResult, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{Alias, ExprTrait, Query},
};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::Result,
        filter::Filter,
        id::{BuilderId, ChangeId},
        step::StepField,
    },
    store::{
        build,
        db::{
            bounded_rows::BoundedRows, database::Db, dialect::SqlDialect,
            read_transaction::ReadTransaction,
        },
        event::unsequenced,
        event_bookmark,
        query::{filter::condition, rows::if_readable},
        step,
    },
};

/// A transaction that reads the steps of one moment, in the order of their ids. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct SnapshotReader {
    db: Db,
    txn: ReadTransaction,
    /// The matching steps.
    steps: Select<step::Entity>,
    /// The newest event's.
    pub(crate) bookmark: Bookmark,
    /// Changes that the steps show already and that have no position yet: they will get positions
    /// after the newest.
    pub(crate) ahead: Vec<ChangeId>,
    /// The id of the last row that was read, readable or not.
    last: Option<i64>,
    /// How many rows the next page may have.
    page_rows: usize,
}

/// The next steps of a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotPage {
    pub(crate) steps: Vec<step::Model>,
    /// How many rows were read, readable or not.
    pub(crate) rows: u64,
    /// Whether rows follow, readable or not.
    pub(crate) has_next: bool,
}

impl SnapshotReader {
    /// Begins a transaction. Its first page has at most `page_rows` rows.
    pub(crate) async fn begin(
        db: &Db,
        filter: &Filter<StepField>,
        builder: Option<BuilderId>,
        page_rows: usize,
    ) -> Result<Self> {
        let txn = db.begin_reading().await?;
        let bookmark = event_bookmark::newest(&txn).await?;
        // On SQLite a change has its position from the start.
        let ahead = if db.needs_sequencing() {
            unsequenced(&txn, None).await?
        } else {
            Vec::new()
        };
        Ok(Self {
            db: db.clone(),
            txn,
            steps: select_steps(db.dialect(), filter, builder),
            bookmark,
            ahead,
            last: None,
            page_rows: Ord::max(page_rows, 1),
        })
    }

    /// How many steps match; where they are more than `max`, one more than that.
    pub(crate) async fn count(&self, max: u64) -> Result<u64> {
        let steps = self.steps.clone().select_only().expr(Expr::val(1));
        let steps = steps.limit(max.saturating_add(1)).into_query();
        let count = Query::select()
            .expr_as(Expr::cust("COUNT(*)"), "n")
            .from_subquery(steps, Alias::new("matching"))
            .take();
        let statement = self.db.backend().build(&count);
        let row = self.txn.query_one_raw(statement).await?;
        let count: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
        Ok(count.unsigned_abs())
    }

    /// The next page: as many rows as come to `max_bytes`, and at least one.
    pub(crate) async fn next_page(&mut self, max_bytes: usize) -> Result<SnapshotPage> {
        self.db.last_seen()?;
        let after = self.last.map(|last| step::Column::Id.gt(last));
        let select = after.into_iter().fold(self.steps.clone(), Select::filter);
        // One row more than asked for shows whether there are more.
        let select = select.order_by_asc(step::Column::Id);
        let select = select.limit(self.page_rows as u64 + 1).into_query();
        let statement = self.db.backend().build(&select);
        let read = self.txn.read_bounded(statement, 1, max_bytes, read_row);
        let BoundedRows { mut rows, is_cut } = read.await?;
        let has_next = is_cut || rows.len() > self.page_rows;
        rows.truncate(self.page_rows);
        if is_cut {
            // What the database sends beyond a page is read in vain.
            self.page_rows = rows.len() + rows.len() / 8;
        }
        self.last = rows.last().map(|(id, _)| *id);
        Ok(SnapshotPage {
            rows: rows.len() as u64,
            steps: rows.into_iter().filter_map(|(_, step)| step).collect(),
            has_next,
        })
    }

    /// Ends the transaction.
    pub(crate) async fn finish(self) -> Result<()> {
        self.txn.finish().await
    }
}

/// A row's id, the step if it is readable, and the bytes that its event takes.
fn read_row(row: &QueryResult) -> Result<((i64, Option<step::Model>), usize), DbErr> {
    let step = if_readable(step::Model::from_query_result(row, ""));
    let bytes = step.as_ref().map_or(0, step::Model::event_bytes);
    Ok(((id_of(row)?, step), bytes))
}

/// A row's id. On SQLite it may be one that no step of Buildbot's can have.
fn id_of(row: &QueryResult) -> Result<i64, DbErr> {
    row.try_get::<i32>("", "id")
        .map(Into::into)
        .or_else(|_| row.try_get("", "id"))
}

/// The steps that pass the filter, of all builders or of one.
fn select_steps(
    dialect: SqlDialect,
    filter: &Filter<StepField>,
    builder: Option<BuilderId>,
) -> Select<step::Entity> {
    let query = step::Entity::find().filter(condition(dialect, filter));
    let Some(builderid) = builder else {
        return query;
    };
    let builds = Query::select()
        .column(build::Column::Id)
        .from(build::Entity)
        .and_where(build::Column::Builderid.eq(builderid))
        .take();
    query.filter(Expr::col((step::Entity, step::Column::Buildid)).in_subquery(builds))
}
