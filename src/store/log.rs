//! Logs: the entity, batch reads and writes.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveValue::{NotSet, Set},
    Condition, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::ExprTrait,
};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        error::{Error, Result},
        filter::{Direction, Filter, Order, Test, Value},
        id::{LogId, StepId},
        log::{LogField, LogType, free_slug, slug_of},
        offset_page::{OffsetPage, OffsetPageArgs},
        step::StepField,
    },
    store::{
        db::{database::Db, dialect::SqlDialect, transaction::Txn},
        query::{
            compare::value_test,
            field::{FilterField, ListedEntity},
            page,
            per_parent::{all_of, first_of},
            rows::by_key,
        },
        row::from_row,
        row_bytes::RowBytes,
        step,
        unchecked_int::UncheckedInt,
    },
};

/// A row of `logs`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "logs")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: LogId,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) stepid: StepId,
    pub(crate) complete: UncheckedInt,
    /// One more than the number of the last line; it grows after the line is committed.
    pub(crate) num_lines: i32,
    /// See `log_type`.
    #[sea_orm(column_name = "type")]
    pub(crate) letter: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether no line will follow: any number but 0 says so.
    #[must_use]
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.int() != Some(0)
    }

    /// What its lines are.
    #[must_use]
    pub(crate) fn log_type(&self) -> LogType {
        LogType::from_letter(&self.letter)
    }
}

from_row!(Model {
    id,
    name,
    slug,
    stepid,
    complete,
    num_lines,
    letter,
});

impl RowBytes for Model {
    fn text_bytes(&self) -> usize {
        self.name.len() + self.slug.len() + self.letter.len()
    }
}

impl ListedEntity for Entity {
    type Field = LogField;
    const TABLE: &'static str = "logs";
}

/// The id of the build of a log's step.
const BUILDID: &str = "(SELECT steps.buildid FROM steps WHERE steps.id = logs.stepid)";

impl FilterField for LogField {
    fn sql(self, _dialect: SqlDialect) -> Expr {
        let column = |column| Expr::col((Entity, column));
        column(match self {
            Self::Buildid => return Expr::cust(BUILDID),
            Self::Logid => Column::Id,
            Self::Stepid => Column::Stepid,
            Self::Name => Column::Name,
            Self::Slug => Column::Slug,
            Self::Complete => Column::Complete,
            Self::NumLines => Column::NumLines,
            Self::Type => Column::Letter,
        })
    }

    fn is_nullable(self) -> bool {
        self == Self::Buildid
    }

    fn is_text(self) -> bool {
        matches!(self, Self::Name | Self::Slug | Self::Type)
    }

    fn own_test(self, dialect: SqlDialect, test: &Test) -> Option<Condition> {
        if self != Self::Buildid || *test == Test::IsNull {
            return None;
        }
        // The steps are looked up first: their index finds a build's among millions of logs.
        let steps = of_steps_where(value_test(dialect, StepField::Buildid, test));
        Some(Condition::all().add(steps))
    }
}

/// Whether the step of a log passes.
pub(crate) fn of_steps_where(passes: Condition) -> Expr {
    let steps = step::Entity::find().select_only().column(step::Column::Id);
    let steps = steps.filter(passes).into_query();
    Expr::col((Entity, Column::Stepid)).in_subquery(steps)
}

/// The logs with these ids.
pub(crate) async fn by_ids(db: &Db, ids: &[LogId]) -> Result<HashMap<LogId, Model>> {
    let rows = by_key::<Entity, _>(db, Column::Id, ids).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The logs of these steps, in the order in which they were added; at most `limit` in all.
pub(crate) async fn of_steps(
    db: &Db,
    steps: &[StepId],
    limit: u64,
) -> Result<HashMap<StepId, Vec<Model>>> {
    let (filter, order) = (Filter::All(Vec::new()), by_id_order());
    let rows = all_of::<Entity, _>(db, &filter, &order, Column::Stepid, steps, limit).await?;
    let mut logs: HashMap<StepId, Vec<Model>> = HashMap::with_capacity(steps.len());
    for row in rows {
        logs.entry(row.stepid).or_default().push(row);
    }
    Ok(logs)
}

/// The log of this slug of each of these steps; steps without one are left out.
pub(crate) async fn by_slug(
    db: &Db,
    slug: &str,
    steps: &[StepId],
) -> Result<HashMap<StepId, Model>> {
    let filter = Filter::Field(LogField::Slug, Test::Eq(Value::Text(slug.to_owned())));
    first_of::<Entity, _>(db, (&filter, &by_id_order()), Column::Stepid, steps).await
}

/// A page by offset of the logs of a step.
pub(crate) async fn offset_page_of(
    db: &Db,
    step: StepId,
    args: &OffsetPageArgs<LogField>,
) -> Result<OffsetPage<Model>> {
    page::offset_page::<Entity>(db, args, Some(Column::Stepid.eq(step))).await
}

fn by_id_order() -> Order<LogField> {
    vec![(LogField::Logid, Direction::Asc)]
}

/// Locks the log against other writers until the transaction ends.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn lock(txn: &Txn, id: LogId) -> Result<Model> {
    txn.one(txn.lock_rows(Entity::find_by_id(id)))
        .await?
        .ok_or_else(|| Error::not_found("log", id))
}

/// Adds an empty log to a step, under the first free form of the name's slug.
///
/// # Errors
/// `NotFound` for the step.
pub(crate) async fn insert(
    txn: &Txn,
    stepid: StepId,
    name: &str,
    log_type: LogType,
) -> Result<LogId> {
    // Locked, so that two writers never choose the same slug.
    step::lock(txn, stepid).await?;
    let siblings = Entity::find()
        .select_only()
        .column(Column::Slug)
        .filter(Column::Stepid.eq(stepid));
    let siblings: Vec<(String,)> = txn.all(siblings).await?;
    let slugs: HashSet<&str> = siblings.iter().map(|(slug,)| slug.as_str()).collect();
    let new = ActiveModel {
        id: NotSet,
        name: Set(name.to_owned()),
        slug: Set(free_slug(slug_of(name), |slug| slugs.contains(slug))),
        stepid: Set(stepid),
        complete: Set(0.into()),
        num_lines: Set(0),
        letter: Set(log_type.letter().to_owned()),
    };
    txn.insert(new).await
}

/// Says how many lines a log has, which grows with each append.
pub(crate) async fn set_num_lines(txn: &Txn, id: LogId, num_lines: i32) -> Result<()> {
    let update = Entity::update_many()
        .col_expr(Column::NumLines, num_lines.into())
        .filter(Column::Id.eq(id));
    txn.execute(update).await.map(drop)
}

/// Marks a log as one that gets no more lines.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn finish(txn: &Txn, id: LogId) -> Result<()> {
    let update = Entity::update_many()
        .col_expr(Column::Complete, 1.into())
        .filter(Column::Id.eq(id));
    if txn.execute(update).await? == 0 {
        return Err(Error::not_found("log", id));
    }
    Ok(())
}
