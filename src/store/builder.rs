//! Builders and their tags: entities, batch reads and the one write.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::{NotSet, Set},
    Condition, DbBackend, JoinType, QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{ExprTrait, Query},
};
use sha1::{Digest, Sha1};

use crate::{
    domain::{
        error::{Error, Result},
        filter::{BuilderField, Filter, Test},
        id::BuilderId,
        page::{OffsetPage, OffsetPageArgs, PageArgs, Rows},
    },
    store::{
        Db, Txn,
        query::{filter, list},
    },
};

/// A row of `builders`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "builders")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: BuilderId,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) description_format: Option<String>,
    pub(crate) description_html: Option<String>,
    pub(crate) projectid: Option<i32>,
    pub(crate) name_hash: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

mod tag {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "tags")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) name: String,
        pub(crate) name_hash: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod builder_tag {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "builders_tags")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) builderid: i32,
        pub(crate) tagid: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {
        #[sea_orm(
            belongs_to = "super::tag::Entity",
            from = "Column::Tagid",
            to = "super::tag::Column::Id"
        )]
        Tag,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod builder_master {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "builder_masters")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) builderid: i32,
        pub(crate) masterid: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl list::ListedEntity for Entity {
    type Field = BuilderField;
    const TABLE: &'static str = "builders";
}

impl filter::FilterField for BuilderField {
    fn sql(self) -> Expr {
        match self {
            Self::Builderid | Self::Masterids | Self::Tags => Expr::col((Entity, Column::Id)),
            Self::Name => Expr::col((Entity, Column::Name)),
            Self::Description => Expr::col((Entity, Column::Description)),
            Self::DescriptionFormat => Expr::col((Entity, Column::DescriptionFormat)),
            Self::DescriptionHtml => Expr::col((Entity, Column::DescriptionHtml)),
            Self::Projectid => Expr::col((Entity, Column::Projectid)),
        }
    }

    fn nullable(self) -> bool {
        self.is_text() && self != Self::Name || self == Self::Projectid
    }

    fn is_text(self) -> bool {
        matches!(
            self,
            Self::Name | Self::Description | Self::DescriptionFormat | Self::DescriptionHtml
        )
    }

    fn rank(self, backend: DbBackend) -> Option<Expr> {
        // Lists element by element: tags with a sign between them that is less than any in them, ids in a fixed width.
        let rank = match (self, backend) {
            (Self::Tags, DbBackend::Sqlite) => {
                "(SELECT group_concat(name, char(1)) FROM (SELECT t.name FROM builders_tags x JOIN tags t ON t.id = x.tagid \
                 WHERE x.builderid = builders.id ORDER BY x.id))"
            }
            (Self::Tags, DbBackend::MySql) => {
                "(SELECT CAST(GROUP_CONCAT(t.name ORDER BY x.id SEPARATOR '\u{1}') AS BINARY) FROM builders_tags x \
                 JOIN tags t ON t.id = x.tagid WHERE x.builderid = builders.id)"
            }
            (Self::Tags, _) => {
                "(SELECT string_agg(t.name, chr(1) ORDER BY x.id) FROM builders_tags x JOIN tags t ON t.id = x.tagid \
                 WHERE x.builderid = builders.id) COLLATE \"C\""
            }
            (Self::Masterids, DbBackend::Sqlite) => {
                "(SELECT group_concat(masterid + 1000000000000, '') FROM (SELECT masterid FROM builder_masters \
                 WHERE builderid = builders.id ORDER BY masterid))"
            }
            (Self::Masterids, DbBackend::MySql) => {
                "(SELECT GROUP_CONCAT(masterid + 1000000000000 ORDER BY masterid SEPARATOR '') FROM builder_masters \
                 WHERE builderid = builders.id)"
            }
            (Self::Masterids, _) => {
                "(SELECT string_agg(CAST(masterid + 1000000000000 AS text), '' ORDER BY masterid) FROM builder_masters \
                 WHERE builderid = builders.id)"
            }
            _ => return None,
        };
        Some(Expr::cust(rank))
    }

    fn test(self, backend: DbBackend, test: &Test) -> Condition {
        let name = match (self, test) {
            (Self::Tags, Test::Contains(name)) => name,
            (Self::Masterids, Test::Contains(id)) => {
                let Ok(id) = id.parse::<i32>() else {
                    return filter::never();
                };
                let there = Query::select()
                    .column(builder_master::Column::Builderid)
                    .from(builder_master::Entity)
                    .and_where(Expr::col(builder_master::Column::Masterid).eq(id))
                    .take();
                return Condition::all().add(self.sql().in_subquery(there));
            }
            _ => return filter::column_test(backend, self, test),
        };
        let tagged = Query::select()
            .column((builder_tag::Entity, builder_tag::Column::Builderid))
            .from(builder_tag::Entity)
            .inner_join(
                tag::Entity,
                Expr::col((tag::Entity, tag::Column::Id))
                    .equals((builder_tag::Entity, builder_tag::Column::Tagid)),
            )
            .and_where(Expr::col((tag::Entity, tag::Column::NameHash)).eq(name_hash(name)))
            .take();
        Condition::all().add(self.sql().in_subquery(tagged))
    }
}

/// What `name_hash` holds: the lower-case hexadecimal SHA-1 of the UTF-8 name.
fn name_hash(name: &str) -> String {
    use std::fmt::Write;
    Sha1::digest(name)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// The builders with these ids.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn by_ids(db: &Db, ids: &[BuilderId]) -> Result<HashMap<BuilderId, Model>> {
    let rows = list::by_key::<Entity, _>(db, Column::Id, ids).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The builders with exactly these names.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn by_names(db: &Db, names: &[String]) -> Result<HashMap<String, Model>> {
    let hashes: Vec<String> = names.iter().map(|name| name_hash(name)).collect();
    let rows = list::by_key::<Entity, _>(db, Column::NameHash, &hashes).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.name.clone(), row))
        .collect())
}

/// A part of the builders.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn part(
    db: &Db,
    args: &OffsetPageArgs<BuilderField>,
) -> Result<OffsetPage<Model>> {
    if db.is_buildbots() {
        return list::part::<Entity>(db, args, None).await;
    }
    // Ours knows no masters: every list of them is empty, and all are alike.
    let mut args = args.clone();
    args.order
        .retain(|(field, _)| *field != BuilderField::Masterids);
    args.filter = without_masters(args.filter);
    list::part::<Entity>(db, &args, None).await
}

fn without_masters(filter: Filter<BuilderField>) -> Filter<BuilderField> {
    let all = |parts: Vec<_>| parts.into_iter().map(without_masters).collect();
    match filter {
        Filter::All(parts) => Filter::All(all(parts)),
        Filter::Any(parts) => Filter::Any(all(parts)),
        Filter::Not(inner) => without_masters(*inner).negate(),
        Filter::Field(BuilderField::Masterids, _) => Filter::nothing(),
        other @ Filter::Field(..) => other,
    }
}

/// The ids of the masters that have these builders, in order. Only Buildbot's databases have any.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn masters_of(db: &Db, ids: &[BuilderId]) -> Result<HashMap<BuilderId, Vec<i32>>> {
    let mut masters: HashMap<BuilderId, Vec<i32>> = HashMap::new();
    if !db.is_buildbots() {
        return Ok(masters);
    }
    for ids in ids.chunks(list::MAX_BINDS) {
        let rows: Vec<(i32, i32)> = builder_master::Entity::find()
            .select_only()
            .column(builder_master::Column::Builderid)
            .column(builder_master::Column::Masterid)
            .filter(builder_master::Column::Builderid.is_in(ids.iter().map(|id| id.0)))
            .order_by_asc(builder_master::Column::Masterid)
            .into_tuple()
            .all(db.reader())
            .await?;
        for (id, master) in rows {
            masters.entry(BuilderId(id)).or_default().push(master);
        }
    }
    Ok(masters)
}

/// A window of the builders.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn page(db: &Db, args: &PageArgs<BuilderField>) -> Result<Rows<Model>> {
    list::page::<Entity>(db, args).await
}

/// How many builders pass the filter.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn count(db: &Db, filter: &Filter<BuilderField>) -> Result<u64> {
    list::count::<Entity>(db, filter).await
}

/// The tags of these builders, in the order they were given to each.
///
/// # Errors
/// As every read: `Unavailable`, or `Internal`.
pub(crate) async fn tags_of(db: &Db, ids: &[BuilderId]) -> Result<HashMap<BuilderId, Vec<String>>> {
    let mut tags: HashMap<BuilderId, Vec<String>> = HashMap::new();
    for ids in ids.chunks(list::MAX_BINDS) {
        let rows: Vec<(i32, String)> = builder_tag::Entity::find()
            .select_only()
            .column(builder_tag::Column::Builderid)
            .column(tag::Column::Name)
            .join(JoinType::InnerJoin, builder_tag::Relation::Tag.def())
            .filter(builder_tag::Column::Builderid.is_in(ids.iter().map(|id| id.0)))
            .order_by_asc(builder_tag::Column::Id)
            .into_tuple()
            .all(db.reader())
            .await?;
        for (id, name) in rows {
            tags.entry(BuilderId(id)).or_default().push(name);
        }
    }
    Ok(tags)
}

impl Txn {
    /// The builder of this name, made if there is none; two who ask at once get the same one.
    ///
    /// # Errors
    /// `Unavailable`, or `Internal`.
    pub(crate) async fn find_or_insert_builder(&self, name: &str) -> Result<Model> {
        let hash = name_hash(name);
        let find = || {
            Entity::find()
                .filter(Column::NameHash.eq(hash.as_str()))
                .one(&self.0)
        };
        // Looked for first: an insert that finds a conflict still takes an id.
        if let Some(found) = find().await? {
            return Ok(found);
        }
        let new = ActiveModel {
            id: NotSet,
            name: Set(name.to_owned()),
            description: Set(None),
            description_format: Set(None),
            description_html: Set(None),
            projectid: Set(None),
            name_hash: Set(hash.clone()),
        };
        Entity::insert(new)
            .on_conflict_do_nothing_on([Column::NameHash])
            .exec(&self.0)
            .await?;
        find()
            .await?
            .ok_or_else(|| Error::not_found("builder", format!("{name:?}")))
    }
}
