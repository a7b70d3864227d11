//! Steps: the entity, batch reads and writes.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveValue::{NotSet, Set},
    Condition, DbBackend, QuerySelect,
    entity::prelude::*,
    sea_query::ExprTrait,
};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        error::{Error, Result},
        filter::{Direction, Filter, Test, Value},
        id::{BuildId, StepId},
        offset_page::{OffsetPage, OffsetPageArgs},
        page::{PageArgs, Rows},
        results::Results,
        step::{StepField, StepsArgs, free_name},
        url::Url,
    },
    store::{
        build,
        db::{database::Db, dialect::SqlDialect, transaction::Txn},
        query::{
            count,
            field::{FilterField, ListedEntity, flag, utf8_bytes},
            page,
            per_parent::{all_of, first_of, pages_of},
            rows::by_key,
            selection::{RowRange, Selection},
        },
        row::from_row,
        row_bytes::RowBytes,
        unchecked_int::UncheckedInt,
    },
};

/// A row of `steps`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "steps")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: StepId,
    pub(crate) number: i32,
    pub(crate) name: String,
    pub(crate) buildid: BuildId,
    pub(crate) started_at: Option<UncheckedInt>,
    pub(crate) locks_acquired_at: Option<UncheckedInt>,
    pub(crate) complete_at: Option<UncheckedInt>,
    pub(crate) state_string: String,
    pub(crate) results: Option<UncheckedInt>,
    pub(crate) urls_json: String,
    pub(crate) hidden: UncheckedInt,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether pages should not show the step: any number but 0 says so.
    #[must_use]
    pub(crate) fn is_hidden(&self) -> bool {
        self.hidden.int() != Some(0)
    }
}

from_row!(Model {
    id,
    number,
    name,
    buildid,
    started_at,
    locks_acquired_at,
    complete_at,
    state_string,
    results,
    urls_json,
    hidden,
});

impl RowBytes for Model {
    fn text_bytes(&self) -> usize {
        self.name.len() + self.state_string.len() + self.urls_json.len()
    }
}

impl ListedEntity for Entity {
    type Field = StepField;
    const TABLE: &'static str = "steps";
}

impl FilterField for StepField {
    fn sql(self, _dialect: SqlDialect) -> Expr {
        let column = |column| Expr::col((Entity, column));
        column(match self {
            Self::Complete => return flag(column(Column::CompleteAt).is_not_null()),
            // Any number but 0 says so.
            Self::Hidden => return flag(column(Column::Hidden).ne(0)),
            Self::Builderid => return build::builderid_of("steps.buildid"),
            Self::BuilderName => return build::builder_name_of("steps.buildid"),
            Self::Stepid => Column::Id,
            Self::Buildid => Column::Buildid,
            Self::Number => Column::Number,
            Self::Name => Column::Name,
            Self::StateString => Column::StateString,
            Self::StartedAt => Column::StartedAt,
            Self::LocksAcquiredAt => Column::LocksAcquiredAt,
            Self::CompleteAt => Column::CompleteAt,
            Self::Results => Column::Results,
            Self::Urls => Column::UrlsJson,
        })
    }

    fn is_nullable(self) -> bool {
        matches!(
            self,
            Self::Builderid
                | Self::BuilderName
                | Self::StartedAt
                | Self::LocksAcquiredAt
                | Self::CompleteAt
                | Self::Results
        )
    }

    fn is_text(self) -> bool {
        matches!(
            self,
            Self::BuilderName | Self::Name | Self::StateString | Self::Urls
        )
    }

    fn rank(self, dialect: SqlDialect) -> Option<Expr> {
        // Without its last bracket, a list comes before any longer list that begins with it.
        (self == Self::Urls).then(|| match dialect.backend {
            DbBackend::Sqlite => Expr::cust("rtrim(steps.urls_json, ']')"),
            DbBackend::MySql => utf8_bytes(Expr::cust("TRIM(TRAILING ']' FROM steps.urls_json)")),
            _ => Expr::cust("rtrim(steps.urls_json, ']') COLLATE \"C\""),
        })
    }

    fn own_test(self, dialect: SqlDialect, test: &Test) -> Option<Condition> {
        // The builds are looked up first: their indexes find a builder's among millions of steps.
        let builds = match (self, test) {
            (_, Test::IsNull) => return None,
            (Self::Builderid, test) => build::of_builders_by_id(dialect, test),
            (Self::BuilderName, test) => build::of_builders_by_name(dialect, test),
            _ => return None,
        };
        let buildid = Expr::col((Entity, Column::Buildid));
        Some(Condition::all().add(buildid.in_subquery(builds)))
    }
}

/// A change of a step's columns, as an update method makes it.
#[derive(Clone, Debug)]
pub(crate) enum StepChange {
    Start {
        started_at: i64,
        locks_acquired: bool,
    },
    LocksAcquiredAt(i64),
    StateString(String),
    Urls(Vec<Url>),
    Finish {
        complete_at: i64,
        results: Results,
        hidden: bool,
    },
}

impl From<StepChange> for ActiveModel {
    fn from(change: StepChange) -> Self {
        let mut row = <Self as ActiveModelTrait>::default();
        match change {
            StepChange::Start {
                started_at,
                locks_acquired,
            } => {
                row.started_at = Set(Some(started_at.into()));
                if locks_acquired {
                    row.locks_acquired_at = Set(Some(started_at.into()));
                }
            }
            StepChange::LocksAcquiredAt(at) => row.locks_acquired_at = Set(Some(at.into())),
            StepChange::StateString(text) => row.state_string = Set(text),
            StepChange::Urls(urls) => row.urls_json = Set(Url::write(&urls)),
            StepChange::Finish {
                complete_at,
                results,
                hidden,
            } => {
                row.complete_at = Set(Some(complete_at.into()));
                row.results = Set(Some(results.code().into()));
                row.hidden = Set(i64::from(hidden).into());
            }
        }
        row
    }
}

/// The steps with these ids.
pub(crate) async fn by_ids(db: &Db, ids: &[StepId]) -> Result<HashMap<StepId, Model>> {
    let rows = by_key::<Entity, _>(db, Column::Id, ids).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The steps of these builds, in order; where `args` has no range, at most `limit` in all.
pub(crate) async fn of_builds(
    db: &Db,
    args: &StepsArgs,
    builds: &[BuildId],
    limit: u64,
) -> Result<HashMap<BuildId, Vec<Model>>> {
    let StepsArgs { filter, order, .. } = args;
    if let Some((limit, offset)) = args.range {
        let selection = Selection {
            filter,
            order,
            range: RowRange::Offset { limit, offset },
        };
        let pages = pages_of::<Entity, _>(db, &selection, Column::Buildid, builds).await?;
        return Ok(pages
            .into_iter()
            .map(|(id, page)| (id, page.rows))
            .collect());
    }
    let rows = all_of::<Entity, _>(db, filter, order, Column::Buildid, builds, limit).await?;
    let mut steps: HashMap<BuildId, Vec<Model>> = HashMap::with_capacity(builds.len());
    for row in rows {
        steps.entry(row.buildid).or_default().push(row);
    }
    Ok(steps)
}

/// The unfinished step of the highest number of each of these builds; builds without one are left
/// out.
pub(crate) async fn current_of(db: &Db, builds: &[BuildId]) -> Result<HashMap<BuildId, Model>> {
    let filter = Filter::All(vec![
        Filter::Field(StepField::CompleteAt, Test::IsNull),
        // Leaves out what SQLite may have in place of a number: it would be the highest.
        Filter::Field(StepField::Number, Test::Le(Value::Int(i32::MAX.into()))),
    ]);
    let order = vec![(StepField::Number, Direction::Desc)];
    first_of::<Entity, _>(db, (&filter, &order), Column::Buildid, builds).await
}

/// A page by offset of the steps of a build.
pub(crate) async fn offset_page_of(
    db: &Db,
    build: BuildId,
    args: &OffsetPageArgs<StepField>,
) -> Result<OffsetPage<Model>> {
    page::offset_page::<Entity>(db, args, Some(Column::Buildid.eq(build))).await
}

/// A page of all steps.
pub(crate) async fn page(db: &Db, args: &PageArgs<StepField>) -> Result<Rows<Model>> {
    page::keyset_page::<Entity>(db, args).await
}

/// How many steps pass the filter.
pub(crate) async fn count(db: &Db, filter: &Filter<StepField>) -> Result<u64> {
    count::count::<Entity>(db, filter).await
}

/// The step with this id.
///
/// # Errors
/// `NotFound`.
async fn by_id(txn: &Txn, id: StepId) -> Result<Model> {
    txn.one(Entity::find_by_id(id))
        .await?
        .ok_or_else(|| Error::not_found("step", id))
}

/// Locks the step against other writers until the transaction ends.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn lock(txn: &Txn, id: StepId) -> Result<Model> {
    txn.one(txn.lock_rows(Entity::find_by_id(id)))
        .await?
        .ok_or_else(|| Error::not_found("step", id))
}

/// Adds a step with the build's next number, from 0, under the first free name (`free_name`).
///
/// # Errors
/// `NotFound` for the build.
pub(crate) async fn insert(txn: &Txn, buildid: BuildId, name: &str) -> Result<StepId> {
    // Locked, so that two writers never choose the same number or name.
    build::lock(txn, buildid).await?;
    let siblings = Entity::find()
        .select_only()
        .columns([Column::Number, Column::Name])
        .filter(Column::Buildid.eq(buildid));
    let siblings: Vec<(i32, String)> = txn.all(siblings).await?;
    let newest = siblings.iter().map(|(number, _)| *number).max();
    let names: HashSet<&str> = siblings.iter().map(|(_, name)| name.as_str()).collect();
    let new = ActiveModel {
        id: NotSet,
        number: Set(newest.map_or(0, |n| n + 1)),
        name: Set(free_name(name, |n| names.contains(n))),
        buildid: Set(buildid),
        started_at: Set(None),
        locks_acquired_at: Set(None),
        complete_at: Set(None),
        state_string: Set("pending".to_owned()),
        results: Set(None),
        urls_json: Set("[]".to_owned()),
        hidden: Set(0.into()),
    };
    txn.insert(new).await
}

/// Changes a step's columns. Returns the build whose lock waits must be summed anew, if any.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn update(txn: &Txn, id: StepId, change: StepChange) -> Result<Option<BuildId>> {
    let mut waits_in = None;
    if matches!(
        change,
        StepChange::Start { .. } | StepChange::LocksAcquiredAt(_)
    ) {
        // The build is locked before its step, as when a step is added, so that no two writers
        // wait for each other.
        let build = by_id(txn, id).await?.buildid;
        build::lock(txn, build).await?;
        waits_in = Some(build);
    }
    let update = Entity::update_many()
        .set(ActiveModel::from(change))
        .filter(Column::Id.eq(id));
    if txn.execute(update).await? == 0 {
        return Err(Error::not_found("step", id));
    }
    Ok(waits_in)
}

/// Writes the build's `locks_duration_s`. Buildbot adds each wait to it as it ends; summed anew, it
/// stays true when a step is dated again.
pub(crate) async fn sum_lock_waits(txn: &Txn, build: BuildId) -> Result<()> {
    let steps = Entity::find()
        .select_only()
        .columns([Column::StartedAt, Column::LocksAcquiredAt])
        .filter(Column::Buildid.eq(build));
    let steps: Vec<(Option<UncheckedInt>, Option<UncheckedInt>)> = txn.all(steps).await?;
    let wait = |(started, acquired): &(Option<UncheckedInt>, Option<UncheckedInt>)| {
        let wait = acquired
            .as_ref()?
            .int()?
            .checked_sub(started.as_ref()?.int()?)?;
        Some(Ord::max(wait, 0))
    };
    let sum = steps.iter().filter_map(wait).fold(0, i64::saturating_add);
    build::set_lock_duration(txn, build, i32::try_from(sum).unwrap_or(i32::MAX)).await
}
