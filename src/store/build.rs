//! Builds: the entity, batch reads and writes.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::{NotSet, Set},
    Condition, Iterable, QuerySelect, QueryTrait, Select,
    entity::prelude::*,
    sea_query::{ExprTrait, SelectStatement},
};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        build::BuildField,
        builder::BuilderField,
        error::{Error, Result},
        filter::{Filter, Test},
        id::{BuildId, BuilderId},
        offset_page::{OffsetPage, OffsetPageArgs},
        page::{PageArgs, Rows},
        results::Results,
    },
    store::{
        builder,
        db::{database::Db, dialect::SqlDialect, transaction::Txn},
        query::{
            compare::value_test,
            count,
            field::{FilterField, ListedEntity, flag},
            page, per_parent,
            rows::{MAX_BINDS, by_key, read_all},
        },
        row::from_row,
        row_bytes::RowBytes,
        unchecked_int::UncheckedInt,
    },
};

/// A row of `builds`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "builds")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: BuildId,
    pub(crate) number: i32,
    pub(crate) builderid: BuilderId,
    pub(crate) buildrequestid: Option<i32>,
    pub(crate) workerid: Option<i32>,
    pub(crate) masterid: Option<i32>,
    pub(crate) started_at: UncheckedInt,
    pub(crate) complete_at: Option<UncheckedInt>,
    pub(crate) locks_duration_s: i32,
    pub(crate) state_string: String,
    pub(crate) results: Option<UncheckedInt>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The seconds from start to completion; `None` before that, and if they are negative.
    pub(crate) fn duration_s(&self) -> Option<i32> {
        self.complete_at.as_ref()?.seconds_since(&self.started_at)
    }
}

from_row!(Model {
    id,
    number,
    builderid,
    buildrequestid,
    workerid,
    masterid,
    started_at,
    complete_at,
    locks_duration_s,
    state_string,
    results,
});

impl RowBytes for Model {
    fn text_bytes(&self) -> usize {
        self.state_string.len()
    }
}

impl ListedEntity for Entity {
    type Field = BuildField;
    const TABLE: &'static str = "builds";

    fn select(dialect: SqlDialect) -> Select<Self> {
        if dialect.has_lock_durations {
            return Self::find();
        }
        // Without the column no waits were counted, so the value is 0.
        Column::iter().fold(Self::find().select_only(), |select, column| match column {
            Column::LocksDurationS => select.expr_as(no_lock_duration(), column),
            column => select.column(column),
        })
    }
}

/// The value of `locks_duration_s` where `builds` has no such column.
fn no_lock_duration() -> Expr {
    Expr::cust("0")
}

impl FilterField for BuildField {
    fn sql(self, dialect: SqlDialect) -> Expr {
        let column = |column| Expr::col((Entity, column));
        column(match self {
            Self::Complete => return flag(column(Column::CompleteAt).is_not_null()),
            Self::LocksDurationS if self.is_constant(dialect) => return no_lock_duration(),
            Self::Buildid => Column::Id,
            Self::Builderid => Column::Builderid,
            Self::Number => Column::Number,
            Self::Buildrequestid => Column::Buildrequestid,
            Self::Workerid => Column::Workerid,
            Self::Masterid => Column::Masterid,
            Self::StateString => Column::StateString,
            Self::StartedAt => Column::StartedAt,
            Self::CompleteAt => Column::CompleteAt,
            Self::LocksDurationS => Column::LocksDurationS,
            Self::Results => Column::Results,
        })
    }

    fn is_nullable(self) -> bool {
        matches!(
            self,
            Self::Buildrequestid
                | Self::Workerid
                | Self::Masterid
                | Self::CompleteAt
                | Self::Results
        )
    }

    fn is_text(self) -> bool {
        matches!(self, Self::StateString)
    }

    fn is_constant(self, dialect: SqlDialect) -> bool {
        self == Self::LocksDurationS && !dialect.has_lock_durations
    }
}

/// A change of a build's columns, as an update method makes it.
#[derive(Clone, Debug)]
pub(crate) enum BuildChange {
    StateString(String),
    Finish { complete_at: i64, results: Results },
}

impl From<BuildChange> for ActiveModel {
    fn from(change: BuildChange) -> Self {
        let mut row = <Self as ActiveModelTrait>::default();
        match change {
            BuildChange::StateString(text) => row.state_string = Set(text),
            BuildChange::Finish {
                complete_at,
                results,
            } => {
                row.complete_at = Set(Some(complete_at.into()));
                row.results = Set(Some(results.code().into()));
            }
        }
        row
    }
}

/// The builds with these ids.
pub(crate) async fn by_ids(db: &Db, ids: &[BuildId]) -> Result<HashMap<BuildId, Model>> {
    let rows = by_key::<Entity, _>(db, Column::Id, ids).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The builds with these numbers of these builders.
pub(crate) async fn by_numbers(
    db: &Db,
    keys: &[(BuilderId, i32)],
) -> Result<HashMap<(BuilderId, i32), Model>> {
    let mut found = HashMap::with_capacity(keys.len());
    // Each key binds two values.
    for keys in keys.chunks(MAX_BINDS / 2) {
        let pair = [Column::Builderid, Column::Number].map(|c| Expr::col((Entity, c)));
        let pairs = keys
            .iter()
            .map(|(builderid, number)| (builderid.0, *number));
        let query = Entity::select(db.dialect()).filter(Expr::tuple(pair).in_tuples(pairs));
        let rows: Vec<Model> = read_all(db, query.into_query()).await?;
        found.extend(
            rows.into_iter()
                .map(|row| ((row.builderid, row.number), row)),
        );
    }
    Ok(found)
}

/// Selects the ids of the builds whose builder's id passes a test.
pub(crate) fn of_builders_by_id(dialect: SqlDialect, test: &Test) -> SelectStatement {
    let passes = value_test(dialect, BuildField::Builderid, test);
    ids_where(passes)
}

/// Selects the ids of the builds whose builder's name passes a test.
pub(crate) fn of_builders_by_name(dialect: SqlDialect, test: &Test) -> SelectStatement {
    let builders = builder::ids_where(value_test(dialect, BuilderField::Name, test));
    let builderid = Expr::col((Entity, Column::Builderid));
    ids_where(Condition::all().add(builderid.in_subquery(builders)))
}

/// Selects the ids of the builds that pass.
pub(crate) fn ids_where(passes: Condition) -> SelectStatement {
    let select = Entity::find().select_only().column(Column::Id);
    select.filter(passes).into_query()
}

/// The id of the builder of the build that a column names; null if there is no such build.
pub(crate) fn builderid_of(buildid: &str) -> Expr {
    Expr::cust(format!(
        "(SELECT builds.builderid FROM builds WHERE builds.id = {buildid})"
    ))
}

/// The name of the builder of the build that a column names; null if there is no such builder.
pub(crate) fn builder_name_of(buildid: &str) -> Expr {
    Expr::cust(format!(
        "(SELECT builders.name FROM builds JOIN builders ON builders.id = builds.builderid \
         WHERE builds.id = {buildid})"
    ))
}

/// A page by offset of all builds, or of those of one builder.
pub(crate) async fn offset_page(
    db: &Db,
    builder: Option<BuilderId>,
    args: &OffsetPageArgs<BuildField>,
) -> Result<OffsetPage<Model>> {
    let parent = builder.map(|id| Column::Builderid.eq(id));
    page::offset_page::<Entity>(db, args, parent).await
}

/// A page of all builds.
pub(crate) async fn page(db: &Db, args: &PageArgs<BuildField>) -> Result<Rows<Model>> {
    page::keyset_page::<Entity>(db, args).await
}

/// The same page of the builds of each of these builders; those without any are left out.
pub(crate) async fn pages_of(
    db: &Db,
    args: &PageArgs<BuildField>,
    builders: &[BuilderId],
) -> Result<HashMap<BuilderId, Rows<Model>>> {
    per_parent::pages_of::<Entity, _>(db, &args.into(), Column::Builderid, builders).await
}

/// How many builds pass the filter.
pub(crate) async fn count(db: &Db, filter: &Filter<BuildField>) -> Result<u64> {
    count::count::<Entity>(db, filter).await
}

/// How many builds of each of these builders pass the filter.
pub(crate) async fn counts_of(
    db: &Db,
    filter: &Filter<BuildField>,
    builders: &[BuilderId],
) -> Result<HashMap<BuilderId, u64>> {
    count::counts_of::<Entity, _>(db, filter, Column::Builderid, builders).await
}

/// Locks the build: until the transaction ends, no other writer changes it or adds steps to it.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn lock(txn: &Txn, id: BuildId) -> Result<Model> {
    txn.one(txn.lock_rows(Entity::find_by_id(id)))
        .await?
        .ok_or_else(|| Error::not_found("build", id))
}

/// Adds a running build with the builder's next number, from 1.
///
/// # Errors
/// `NotFound` for the builder.
pub(crate) async fn insert(txn: &Txn, builderid: BuilderId, started_at: i64) -> Result<BuildId> {
    // Locked, so that two writers never choose the same number.
    builder::lock(txn, builderid).await?;
    // A row always comes; its maximum is null before the builder's first build.
    let newest = Entity::find()
        .select_only()
        .column_as(Column::Number.max(), "newest")
        .filter(Column::Builderid.eq(builderid));
    let newest: Option<(Option<i32>,)> = txn.one(newest).await?;
    let new = ActiveModel {
        id: NotSet,
        number: Set(newest.and_then(|(number,)| number).unwrap_or(0) + 1),
        builderid: Set(builderid),
        buildrequestid: Set(None),
        workerid: Set(None),
        masterid: Set(None),
        started_at: Set(started_at.into()),
        complete_at: Set(None),
        locks_duration_s: Set(0),
        state_string: Set("created".to_owned()),
        results: Set(None),
    };
    txn.insert(new).await
}

/// Changes a build.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn update(txn: &Txn, id: BuildId, change: BuildChange) -> Result<()> {
    let update = Entity::update_many()
        .set(ActiveModel::from(change))
        .filter(Column::Id.eq(id));
    // MariaDB too counts matched rows here, not only those whose values changed.
    if txn.execute(update).await? == 0 {
        return Err(Error::not_found("build", id));
    }
    Ok(())
}

/// Writes how long the steps of a build have waited for locks, in seconds, if that is new: the same
/// again is no change of the build.
pub(crate) async fn set_lock_duration(txn: &Txn, id: BuildId, seconds: i32) -> Result<()> {
    let update = Entity::update_many()
        .col_expr(Column::LocksDurationS, seconds.into())
        .filter(Column::Id.eq(id))
        .filter(Column::LocksDurationS.ne(seconds));
    txn.execute(update).await.map(drop)
}
