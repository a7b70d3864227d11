//! Steps: the entity, batch reads and writes. The triggers on this table feed the change feed.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveValue::{NotSet, Set},
    DbBackend, QuerySelect,
    entity::prelude::*,
    sea_query::ExprTrait,
};

use crate::{
    domain::{
        error::{Error, Result},
        filter::{Direction, Filter, StepField},
        id::{BuildId, StepId},
        page::{OffsetPage, OffsetPageArgs, Order, PageArgs, Rows},
        results::Results,
        step,
        url::Url,
    },
    store::{
        Db, Txn,
        query::{filter, list},
        unchecked_int::UncheckedInt,
    },
};

/// A row of `steps`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
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
    /// The step should not be displayed: any number but 0 says so.
    #[must_use]
    pub(crate) fn is_hidden(&self) -> bool {
        self.hidden.int() != Some(0)
    }
}

impl list::ListedEntity for Entity {
    type Field = StepField;
    const TABLE: &'static str = "steps";
}

impl filter::FilterField for StepField {
    fn sql(self) -> Expr {
        let column = |column| Expr::col((Entity, column));
        column(match self {
            Self::Complete => return filter::flag(column(Column::CompleteAt).is_not_null()),
            // Any number but 0 says so.
            Self::Hidden => return filter::flag(column(Column::Hidden).ne(0)),
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

    fn nullable(self) -> bool {
        matches!(
            self,
            Self::StartedAt | Self::LocksAcquiredAt | Self::CompleteAt | Self::Results
        )
    }

    fn is_text(self) -> bool {
        matches!(self, Self::Name | Self::StateString | Self::Urls)
    }

    fn rank(self, backend: DbBackend) -> Option<Expr> {
        // Without its last bracket, a list that goes on comes behind the one that it begins with.
        (self == Self::Urls).then(|| {
            Expr::cust(match backend {
                DbBackend::Sqlite => "rtrim(steps.urls_json, ']')",
                DbBackend::MySql => "CAST(TRIM(TRAILING ']' FROM steps.urls_json) AS BINARY)",
                _ => "rtrim(steps.urls_json, ']') COLLATE \"C\"",
            })
        })
    }
}

/// A change of a step's columns, as an update method makes it.
#[derive(Clone, Debug)]
pub(crate) enum Change {
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

impl From<Change> for ActiveModel {
    fn from(change: Change) -> Self {
        let mut row = <Self as ActiveModelTrait>::default();
        match change {
            Change::Start {
                started_at,
                locks_acquired,
            } => {
                row.started_at = Set(Some(started_at.into()));
                if locks_acquired {
                    row.locks_acquired_at = Set(Some(started_at.into()));
                }
            }
            Change::LocksAcquiredAt(at) => row.locks_acquired_at = Set(Some(at.into())),
            Change::StateString(text) => row.state_string = Set(text),
            Change::Urls(urls) => row.urls_json = Set(Url::write(&urls)),
            Change::Finish {
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

/// The steps of a build as they are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StepsArgs {
    /// Which of them.
    pub(crate) filter: Filter<StepField>,
    /// Their order.
    pub(crate) order: Order<StepField>,
    /// At most so many, after leaving out so many; none is all of them.
    pub(crate) range: Option<(u64, u64)>,
}

/// The order of a build's steps when nobody says: by number.
#[must_use]
pub(crate) fn by_number() -> Order<StepField> {
    vec![
        (StepField::Number, Direction::Asc),
        (StepField::Stepid, Direction::Asc),
    ]
}

/// The steps with these ids.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn by_ids(db: &Db, ids: &[StepId]) -> Result<HashMap<StepId, Model>> {
    let rows = list::by_key::<Entity, _>(db, Column::Id, ids).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The steps of these builds; where no range ends the list of each, at most so many in all.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn of_builds(
    db: &Db,
    args: &StepsArgs,
    builds: &[BuildId],
    most: u64,
) -> Result<HashMap<BuildId, Vec<Model>>> {
    if let Some((limit, offset)) = args.range {
        let slice = list::Selection {
            filter: &args.filter,
            order: &args.order,
            range: list::RowRange::Offset { limit, offset },
        };
        let pages = list::pages::<Entity, _>(db, &slice, Column::Buildid, builds).await?;
        return Ok(pages
            .into_iter()
            .map(|(id, read)| (id, read.rows))
            .collect());
    }
    let mut of: HashMap<BuildId, Vec<Model>> = HashMap::with_capacity(builds.len());
    let rows = list::all::<Entity, _>(db, &args.filter, &args.order, Column::Buildid, builds, most)
        .await?;
    for row in rows {
        of.entry(row.buildid).or_default().push(row);
    }
    Ok(of)
}

/// A part of the steps of a build.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn part_of(
    db: &Db,
    build: BuildId,
    args: &OffsetPageArgs<StepField>,
) -> Result<OffsetPage<Model>> {
    list::part::<Entity>(db, args, Some(Column::Buildid.eq(build))).await
}

/// A window of all steps.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn page(db: &Db, args: &PageArgs<StepField>) -> Result<Rows<Model>> {
    list::page::<Entity>(db, args).await
}

/// How many steps pass the filter.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn count(db: &Db, filter: &Filter<StepField>) -> Result<u64> {
    list::count::<Entity>(db, filter).await
}

impl Txn {
    /// The step with this id.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, or `Internal`.
    pub(crate) async fn step(&self, id: StepId) -> Result<Model> {
        Entity::find_by_id(id)
            .one(&self.0)
            .await?
            .ok_or_else(|| Error::not_found("step", id))
    }

    /// Adds a step with the build's next number, from 0, under the first free form of the name.
    ///
    /// # Errors
    /// `NotFound` for the build, `Unavailable`, or `Internal`.
    pub(crate) async fn insert_step(&self, buildid: BuildId, name: &str) -> Result<StepId> {
        self.lock_build(buildid).await?;
        let siblings: Vec<(i32, String)> = Entity::find()
            .select_only()
            .columns([Column::Number, Column::Name])
            .filter(Column::Buildid.eq(buildid))
            .into_tuple()
            .all(&self.0)
            .await?;
        let number = siblings
            .iter()
            .map(|(number, _)| *number)
            .max()
            .map_or(0, |n| n + 1);
        let names: HashSet<&str> = siblings.iter().map(|(_, name)| name.as_str()).collect();
        let new = ActiveModel {
            id: NotSet,
            number: Set(number),
            name: Set(step::free_name(name, |n| names.contains(n))),
            buildid: Set(buildid),
            started_at: Set(None),
            locks_acquired_at: Set(None),
            complete_at: Set(None),
            state_string: Set("pending".to_owned()),
            results: Set(None),
            urls_json: Set("[]".to_owned()),
            hidden: Set(0.into()),
        };
        let inserted = Entity::insert(new).exec(&self.0).await?;
        Ok(inserted.last_insert_id)
    }

    /// The step with this id, which nobody else changes until this ends.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, or `Internal`.
    pub(crate) async fn lock_step(&self, id: StepId) -> Result<Model> {
        self.locked(Entity::find_by_id(id))
            .one(&self.0)
            .await?
            .ok_or_else(|| Error::not_found("step", id))
    }

    /// Changes a step's columns, and its build's sum of lock waits with them.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, or `Internal`.
    pub(crate) async fn update_step(&self, id: StepId, change: Change) -> Result<()> {
        let mut waits_in = None;
        if matches!(change, Change::Start { .. } | Change::LocksAcquiredAt(_)) {
            // First the build, then its step, as whoever adds a step: two writers never wait for each other.
            let build = self.step(id).await?.buildid;
            self.lock_build(build).await?;
            waits_in = Some(build);
        }
        let done = Entity::update_many()
            .set(ActiveModel::from(change))
            .filter(Column::Id.eq(id))
            .exec(&self.0)
            .await?;
        if done.rows_affected == 0 {
            return Err(Error::not_found("step", id));
        }
        match waits_in {
            Some(build) => self.sum_lock_waits(build).await,
            None => Ok(()),
        }
    }

    /// Buildbot adds each wait to the build's `locks_duration_s` as it ends; summed anew, it stays true when a step is dated again.
    async fn sum_lock_waits(&self, build: BuildId) -> Result<()> {
        let steps: Vec<(Option<UncheckedInt>, Option<UncheckedInt>)> = Entity::find()
            .select_only()
            .columns([Column::StartedAt, Column::LocksAcquiredAt])
            .filter(Column::Buildid.eq(build))
            .into_tuple()
            .all(&self.0)
            .await?;
        let wait = |(started, acquired): &(Option<UncheckedInt>, Option<UncheckedInt>)| {
            let wait = acquired
                .as_ref()?
                .int()?
                .checked_sub(started.as_ref()?.int()?)?;
            Some(Ord::max(wait, 0))
        };
        let sum = steps.iter().filter_map(wait).fold(0, i64::saturating_add);
        self.set_lock_waits(build, i32::try_from(sum).unwrap_or(i32::MAX))
            .await
    }
}
