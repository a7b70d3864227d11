//! Builds: the entity, batch reads and writes.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::{NotSet, Set},
    QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::ExprTrait,
};

use crate::{
    domain::{
        error::{Error, Result},
        filter::{BuildField, Filter},
        id::{BuildId, BuilderId},
        page::{OffsetPage, OffsetPageArgs, PageArgs, Rows},
        results::Results,
    },
    store::{
        Db, Txn,
        query::{filter, list},
        unchecked_int::UncheckedInt,
    },
};

/// A row of `builds`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
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

mod property {
    use sea_orm::entity::prelude::*;

    use crate::domain::id::BuildId;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "build_properties")]
    pub(crate) struct Model {
        // The table has no key; sea-orm wants one.
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) buildid: BuildId,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) name: String,
        pub(crate) value: String,
        pub(crate) source: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A property of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Property {
    pub(crate) name: String,
    /// In JSON.
    pub(crate) value: String,
    pub(crate) source: String,
}

impl list::ListedEntity for Entity {
    type Field = BuildField;
    const TABLE: &'static str = "builds";
}

impl filter::FilterField for BuildField {
    fn sql(self) -> Expr {
        let column = |column| Expr::col((Entity, column));
        column(match self {
            Self::Complete => return filter::flag(column(Column::CompleteAt).is_not_null()),
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

    fn nullable(self) -> bool {
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
}

/// A change of a build's columns.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    StateString(String),
    Finish { complete_at: i64, results: Results },
}

impl From<Change> for ActiveModel {
    fn from(change: Change) -> Self {
        let mut row = <Self as ActiveModelTrait>::default();
        match change {
            Change::StateString(text) => row.state_string = Set(text),
            Change::Finish {
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
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn by_ids(db: &Db, ids: &[BuildId]) -> Result<HashMap<BuildId, Model>> {
    let rows = list::by_key::<Entity, _>(db, Column::Id, ids).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The builds with these numbers of these builders.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn by_numbers(
    db: &Db,
    keys: &[(BuilderId, i32)],
) -> Result<HashMap<(BuilderId, i32), Model>> {
    let mut found = HashMap::with_capacity(keys.len());
    for keys in keys.chunks(list::MAX_BINDS / 2) {
        let pair = [Column::Builderid, Column::Number].map(|c| Expr::col((Entity, c)));
        let pairs = keys
            .iter()
            .map(|(builderid, number)| (builderid.0, *number));
        let query = Entity::find().filter(Expr::tuple(pair).in_tuples(pairs));
        for row in list::rows::<Entity>(db, query.into_query()).await? {
            found.insert((row.builderid, row.number), row);
        }
    }
    Ok(found)
}

/// A part of all builds, or of those of one builder.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn part(
    db: &Db,
    builder: Option<BuilderId>,
    args: &OffsetPageArgs<BuildField>,
) -> Result<OffsetPage<Model>> {
    let parent = builder.map(|id| Column::Builderid.eq(id));
    list::part::<Entity>(db, args, parent).await
}

/// The properties of these builds by name, each with its value in JSON and its source: those of these names, or all.
/// Only Buildbot's databases have any.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn properties_of(
    db: &Db,
    ids: &[BuildId],
    names: Option<&[String]>,
) -> Result<HashMap<BuildId, Vec<Property>>> {
    let mut properties: HashMap<BuildId, Vec<Property>> = HashMap::new();
    if !db.is_buildbots() {
        return Ok(properties);
    }
    for ids in ids.chunks(list::MAX_BINDS / 2) {
        let mut query = property::Entity::find()
            .select_only()
            .column(property::Column::Buildid)
            .column(property::Column::Name)
            .column(property::Column::Value)
            .column(property::Column::Source)
            .filter(property::Column::Buildid.is_in(ids.iter().copied()));
        if let Some(names) = names {
            query = query.filter(property::Column::Name.is_in(names));
        }
        let rows: Vec<(BuildId, String, String, String)> =
            query.into_tuple().all(db.reader()).await?;
        for (id, name, value, source) in rows {
            // MariaDB compares names without case.
            if names.is_none_or(|names| names.contains(&name)) {
                properties.entry(id).or_default().push(Property {
                    name,
                    value,
                    source,
                });
            }
        }
    }
    Ok(properties)
}

/// A window of all builds.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn page(db: &Db, args: &PageArgs<BuildField>) -> Result<Rows<Model>> {
    list::page::<Entity>(db, args).await
}

/// The same window of the builds of each of these builders.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn pages_of(
    db: &Db,
    args: &PageArgs<BuildField>,
    builders: &[BuilderId],
) -> Result<HashMap<BuilderId, Rows<Model>>> {
    list::pages::<Entity, _>(db, &args.into(), Column::Builderid, builders).await
}

/// How many builds pass the filter.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn count(db: &Db, filter: &Filter<BuildField>) -> Result<u64> {
    list::count::<Entity>(db, filter).await
}

/// How many builds of each of these builders pass the filter.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn counts_of(
    db: &Db,
    filter: &Filter<BuildField>,
    builders: &[BuilderId],
) -> Result<HashMap<BuilderId, u64>> {
    list::counts::<Entity, _>(db, filter, Column::Builderid, builders).await
}

impl Txn {
    /// The build with this id.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, or `Internal`.
    pub(crate) async fn build(&self, id: BuildId) -> Result<Model> {
        Entity::find_by_id(id)
            .one(&self.0)
            .await?
            .ok_or_else(|| Error::not_found("build", id))
    }

    /// The same, and nobody else adds steps to it or changes it until this ends.
    pub(crate) async fn lock_build(&self, id: BuildId) -> Result<Model> {
        self.locked(Entity::find_by_id(id))
            .one(&self.0)
            .await?
            .ok_or_else(|| Error::not_found("build", id))
    }

    /// Adds a running build with the builder's next number, from 1.
    ///
    /// # Errors
    /// `NotFound` for the builder, `Unavailable`, or `Internal`.
    pub(crate) async fn insert_build(
        &self,
        builderid: BuilderId,
        started_at: i64,
    ) -> Result<Model> {
        // Locked, so that two who add a build find different numbers.
        self.locked(crate::store::builder::Entity::find_by_id(builderid))
            .one(&self.0)
            .await?
            .ok_or_else(|| Error::not_found("builder", builderid))?;
        let newest: Option<Option<i32>> = Entity::find()
            .select_only()
            .column_as(Column::Number.max(), "newest")
            .filter(Column::Builderid.eq(builderid))
            .into_tuple()
            .one(&self.0)
            .await?;
        let new = ActiveModel {
            id: NotSet,
            number: Set(newest.flatten().unwrap_or(0) + 1),
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
        Ok(new.insert(&self.0).await?)
    }

    /// Changes a build and reads it back.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, or `Internal`.
    pub(crate) async fn update_build(&self, id: BuildId, change: Change) -> Result<Model> {
        let done = Entity::update_many()
            .set(ActiveModel::from(change))
            .filter(Column::Id.eq(id))
            .exec(&self.0)
            .await?;
        if done.rows_affected == 0 {
            return Err(Error::not_found("build", id));
        }
        self.build(id).await
    }

    /// Writes how long the steps of a build have waited for locks, in seconds.
    pub(crate) async fn set_lock_waits(&self, id: BuildId, seconds: i32) -> Result<()> {
        Entity::update_many()
            .col_expr(Column::LocksDurationS, seconds.into())
            .filter(Column::Id.eq(id))
            .exec(&self.0)
            .await?;
        Ok(())
    }
}
