//! Builders, builds, steps and logs as they are at one moment of the feed, read page by page in one
//! transaction.

use std::{collections::VecDeque, sync::Arc};

use migration::noun::Noun;
use sea_orm::{
    Condition, ConnectionTrait, QueryResult, QueryTrait,
    entity::prelude::*,
    sea_query::{Alias, ExprTrait, Order, Query, SelectStatement},
};

use crate::{
    domain::{
        bookmark::Bookmark, build::BuildField, builder::BuilderField, error::Result,
        filter::Filter, id::ChangeId, log::LogField, step::StepField,
    },
    store::{
        build, builder,
        db::{
            bounded_rows::{BoundedRows, Bounds, ReadRow},
            database::Db,
            dialect::SqlDialect,
            read_transaction::ReadTransaction,
        },
        event::{EventObject, unsequenced},
        event_bookmark, log,
        query::{field::ListedEntity, filter::condition},
        row::{FromRow, Row, if_readable},
        step,
    },
};

/// What a snapshot shows of each noun; nothing, where there is no filter.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotQuery {
    pub(crate) builders: Option<Filter<BuilderField>>,
    pub(crate) builds: Option<Filter<BuildField>>,
    pub(crate) steps: Option<Filter<StepField>>,
    pub(crate) logs: Option<Filter<LogField>>,
    /// Only the builds, steps and logs of these builders; of all, where there is no filter.
    pub(crate) of_builders: Option<Filter<BuilderField>>,
}

/// The rows of one noun.
#[derive(Clone, Debug)]
struct Source {
    noun: Noun,
    rows: SelectStatement,
}

/// A transaction that reads the objects of one moment: each noun in the order of its ids. Dropped,
/// it ends.
#[derive(Debug)]
pub(crate) struct SnapshotReader {
    db: Db,
    txn: ReadTransaction,
    /// The nouns that were not read to the end, the current one first.
    sources: VecDeque<Source>,
    /// The newest event's.
    pub(crate) bookmark: Bookmark,
    /// Changes that the rows show already and that have no position yet: they will get positions
    /// after the newest.
    pub(crate) ahead: Vec<ChangeId>,
    /// The id of the last row of the current noun that was read, readable or not.
    last: Option<i64>,
    /// How many rows the next page may have.
    page_rows: usize,
}

/// The next objects of a snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct SnapshotPage {
    pub(crate) objects: Vec<EventObject>,
    /// How many rows were read, readable or not.
    pub(crate) rows: usize,
    /// Whether rows may follow, readable or not.
    pub(crate) has_next: bool,
}

impl SnapshotReader {
    /// Begins a transaction. Its first page has at most `page_rows` rows.
    pub(crate) async fn begin(db: &Db, query: &SnapshotQuery, page_rows: usize) -> Result<Self> {
        let txn = db.begin_reading().await?;
        let bookmark = event_bookmark::newest_in(db.dialect(), &txn).await?;
        // On SQLite a change has its position from the start.
        let ahead = if db.needs_sequencing() {
            unsequenced(&txn, None).await?
        } else {
            Vec::new()
        };
        Ok(Self {
            db: db.clone(),
            txn,
            sources: sources(db.dialect(), query),
            bookmark,
            ahead,
            last: None,
            page_rows: Ord::max(page_rows, 1),
        })
    }

    /// How many objects match; where they are more than `max`, one more than that.
    pub(crate) async fn count(&self, max: u64) -> Result<u64> {
        let mut count = 0;
        for source in &self.sources {
            let mut rows = source.rows.clone();
            rows.clear_selects().expr(Expr::val(1));
            rows.limit(max.saturating_add(1) - count);
            let select = Query::select()
                .expr_as(Expr::cust("COUNT(*)"), "n")
                .from_subquery(rows, Alias::new("matching"))
                .take();
            let statement = self.db.backend().build(&select);
            let row = self.txn.query_one_raw(statement).await?;
            let found: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
            count += found.unsigned_abs();
            if count > max {
                break;
            }
        }
        Ok(count)
    }

    /// The next page: as many rows as come to `max_bytes`, and at least one.
    pub(crate) async fn next_page(&mut self, max_bytes: usize) -> Result<SnapshotPage> {
        self.db.last_seen()?;
        let mut page = SnapshotPage::default();
        let mut bytes = 0;
        while let Some(source) = self.sources.front() {
            let room = self.page_rows - page.rows;
            // One row more than asked for shows whether there are more.
            let select = source.after(self.last, room as u64 + 1);
            let statement = self.db.backend().build(&select);
            let bounds = Bounds {
                least: usize::from(page.rows == 0),
                max_bytes: max_bytes.saturating_sub(bytes),
            };
            let read = self.txn.read_bounded(statement, bounds, source.read());
            let BoundedRows { mut rows, is_cut } = read.await?;
            let is_last = !is_cut && rows.len() <= room;
            rows.truncate(room);
            page.rows += rows.len();
            if let Some((id, _)) = rows.last() {
                self.last = Some(*id);
            }
            let objects = rows.into_iter().filter_map(|(_, object)| object);
            for object in objects {
                bytes += object.event_bytes();
                page.objects.push(object);
            }
            if !is_last {
                page.has_next = true;
                if is_cut {
                    // What the database sends beyond a page is read in vain.
                    self.page_rows = page.rows + page.rows / 8;
                }
                break;
            }
            self.sources.pop_front();
            self.last = None;
        }
        Ok(page)
    }

    /// Ends the transaction.
    pub(crate) async fn finish(self) -> Result<()> {
        self.txn.finish().await
    }
}

impl Source {
    /// The rows behind an id.
    fn after(&self, last: Option<i64>, limit: u64) -> SelectStatement {
        let id = || Expr::col((Alias::new(self.noun.table()), Alias::new("id")));
        let mut rows = self.rows.clone();
        if let Some(last) = last {
            rows.and_where(id().gt(last));
        }
        rows.order_by_expr(id(), Order::Asc).limit(limit).take()
    }

    fn read(&self) -> ReadRow<(i64, Option<EventObject>)> {
        match self.noun {
            Noun::Builder => |row| {
                read_row(row, |row| {
                    let builder = builder::Model::from_row(Row::Pooled(row))?;
                    Ok(EventObject::Builder {
                        id: builder.id,
                        row: Some(Arc::new(builder)),
                    })
                })
            },
            Noun::Build => |row| {
                read_row(row, |row| {
                    let build = build::Model::from_row(Row::Pooled(row))?;
                    Ok(EventObject::Build(Arc::new(build)))
                })
            },
            Noun::Step => |row| {
                read_row(row, |row| {
                    let step = step::Model::from_row(Row::Pooled(row))?;
                    Ok(EventObject::Step(Arc::new(step)))
                })
            },
            Noun::Log => |row| {
                read_row(row, |row| {
                    let log = log::Model::from_row(Row::Pooled(row))?;
                    Ok(EventObject::Log {
                        log: Arc::new(log),
                        // Nobody asks: the rows were chosen by their builds already.
                        buildid: None,
                    })
                })
            },
        }
    }
}

/// A row's id, the object if it is readable, and the bytes that its event takes.
fn read_row(
    row: &QueryResult,
    read: fn(&QueryResult) -> Result<EventObject, DbErr>,
) -> Result<((i64, Option<EventObject>), usize), DbErr> {
    let object = if_readable(read(row));
    let bytes = object.as_ref().map_or(0, EventObject::event_bytes);
    Ok(((id_of(row)?, object), bytes))
}

/// A row's id. On SQLite it may be one that no object of Buildbot's can have.
fn id_of(row: &QueryResult) -> Result<i64, DbErr> {
    row.try_get::<i32>("", "id")
        .map(Into::into)
        .or_else(|_| row.try_get("", "id"))
}

/// The rows of each noun, a parent before its children.
fn sources(dialect: SqlDialect, query: &SnapshotQuery) -> VecDeque<Source> {
    let builders = query.builders.as_ref().map(|filter| Source {
        noun: Noun::Builder,
        rows: select::<builder::Entity>(dialect, filter),
    });
    // The builds of the builders that are asked for.
    let builds_of = query.of_builders.as_ref().map(|builders| {
        let builders = builder::ids_where(condition(dialect, builders));
        Expr::col((build::Entity, build::Column::Builderid)).in_subquery(builders)
    });
    let builds = query.builds.as_ref().map(|filter| {
        let mut rows = select::<build::Entity>(dialect, filter);
        rows.and_where_option(builds_of.clone());
        Source {
            noun: Noun::Build,
            rows,
        }
    });
    let steps_of = builds_of.map(|of_builders| {
        let builds = build::ids_where(Condition::all().add(of_builders));
        Expr::col((step::Entity, step::Column::Buildid)).in_subquery(builds)
    });
    let steps = query.steps.as_ref().map(|filter| {
        let mut rows = select::<step::Entity>(dialect, filter);
        rows.and_where_option(steps_of.clone());
        Source {
            noun: Noun::Step,
            rows,
        }
    });
    let logs = query.logs.as_ref().map(|filter| {
        let mut rows = select::<log::Entity>(dialect, filter);
        rows.and_where_option(
            steps_of.map(|of_builders| log::of_steps_where(Condition::all().add(of_builders))),
        );
        Source {
            noun: Noun::Log,
            rows,
        }
    });
    [builders, builds, steps, logs]
        .into_iter()
        .flatten()
        .collect()
}

fn select<E: ListedEntity>(dialect: SqlDialect, filter: &Filter<E::Field>) -> SelectStatement {
    let mut rows = E::select(dialect).into_query();
    rows.cond_where(condition(dialect, filter)).take()
}
