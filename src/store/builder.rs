//! Builders: the entity, batch reads and writes.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::{NotSet, Set},
    Condition, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{ExprTrait, SelectStatement},
};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        builder::{BuilderField, BuilderInfo},
        error::{Error, Result},
        filter::{Filter, Test},
        id::BuilderId,
        offset_page::{OffsetPage, OffsetPageArgs},
        page::{PageArgs, Rows},
    },
    store::{
        builder_master,
        builder_tag::{self, name_hash},
        db::{database::Db, dialect::SqlDialect, transaction::Txn},
        query::{
            compare::never,
            count,
            field::{FilterField, ListedEntity},
            page,
            rows::by_key,
        },
        row::from_row,
        row_bytes::RowBytes,
    },
};

/// A row of `builders`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
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

from_row!(Model {
    id,
    name,
    description,
    description_format,
    description_html,
    projectid,
    name_hash,
});

impl RowBytes for Model {
    fn text_bytes(&self) -> usize {
        let described = [
            &self.description,
            &self.description_format,
            &self.description_html,
        ];
        let described: usize = described.into_iter().flatten().map(String::len).sum();
        self.name.len() + described
    }
}

impl ListedEntity for Entity {
    type Field = BuilderField;
    const TABLE: &'static str = "builders";
}

impl FilterField for BuilderField {
    fn sql(self, _dialect: SqlDialect) -> Expr {
        match self {
            // Lists have no column: `rank` orders by them and `own_test` tests them.
            Self::Builderid | Self::Masterids | Self::Tags => Expr::col((Entity, Column::Id)),
            Self::Name => Expr::col((Entity, Column::Name)),
            Self::Description => Expr::col((Entity, Column::Description)),
            Self::DescriptionFormat => Expr::col((Entity, Column::DescriptionFormat)),
            Self::DescriptionHtml => Expr::col((Entity, Column::DescriptionHtml)),
            Self::Projectid => Expr::col((Entity, Column::Projectid)),
        }
    }

    fn is_nullable(self) -> bool {
        self.is_text() && self != Self::Name || self == Self::Projectid
    }

    fn is_text(self) -> bool {
        matches!(
            self,
            Self::Name | Self::Description | Self::DescriptionFormat | Self::DescriptionHtml
        )
    }

    fn rank(self, dialect: SqlDialect) -> Option<Expr> {
        match self {
            Self::Tags => Some(builder_tag::rank(dialect)),
            Self::Masterids => Some(builder_master::rank(dialect)),
            _ => None,
        }
    }

    fn own_test(self, _dialect: SqlDialect, test: &Test) -> Option<Condition> {
        let with_element = match (self, test) {
            (Self::Tags, Test::Contains(name)) => builder_tag::builders_with(name),
            (Self::Masterids, Test::Contains(id)) => match id.parse() {
                Ok(id) => builder_master::builders_of(id),
                // A text that is no number is the id of no master.
                Err(_) => return Some(never()),
            },
            _ => return None,
        };
        let id = Expr::col((Entity, Column::Id));
        Some(Condition::all().add(id.in_subquery(with_element)))
    }
}

/// Selects the ids of the builders that pass a condition.
pub(crate) fn ids_where(passes: Condition) -> SelectStatement {
    let select = Entity::find().select_only().column(Column::Id);
    select.filter(passes).into_query()
}

/// The builders with these ids.
pub(crate) async fn by_ids(db: &Db, ids: &[BuilderId]) -> Result<HashMap<BuilderId, Model>> {
    let rows = by_key::<Entity, _>(db, Column::Id, ids).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The builders with exactly these names.
pub(crate) async fn by_names(db: &Db, names: &[String]) -> Result<HashMap<String, Model>> {
    let hashes: Vec<String> = names.iter().map(|name| name_hash(name)).collect();
    // The hash has an index, and tells names apart that MariaDB may take for equal.
    let rows = by_key::<Entity, _>(db, Column::NameHash, &hashes).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.name.clone(), row))
        .collect())
}

/// What filters may ask of a builder.
#[derive(Clone, Debug)]
pub(crate) struct BuilderLabels {
    pub(crate) name: String,
    pub(crate) tags: Vec<String>,
}

/// The labels of the builders with these ids.
pub(crate) async fn labels_of(
    db: &Db,
    ids: &[BuilderId],
) -> Result<HashMap<BuilderId, BuilderLabels>> {
    let mut tags = builder_tag::of_builders(db, ids).await?;
    let rows = by_ids(db, ids).await?.into_values();
    let labels = rows.map(|row| {
        let (name, tags) = (row.name, tags.remove(&row.id).unwrap_or_default());
        (row.id, BuilderLabels { name, tags })
    });
    Ok(labels.collect())
}

/// A page of the builders by offset.
pub(crate) async fn offset_page(
    db: &Db,
    args: &OffsetPageArgs<BuilderField>,
) -> Result<OffsetPage<Model>> {
    if db.is_buildbots() {
        return page::offset_page::<Entity>(db, args, None).await;
    }
    // Our own database has no table of masters: every builder's list is empty.
    let mut args = args.clone();
    args.order
        .retain(|(field, _)| *field != BuilderField::Masterids);
    args.filter = without_masters(args.filter);
    page::offset_page::<Entity>(db, &args, None).await
}

/// The same filter where no builder has a master.
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

/// A page of the builders.
pub(crate) async fn page(db: &Db, args: &PageArgs<BuilderField>) -> Result<Rows<Model>> {
    page::keyset_page::<Entity>(db, args).await
}

/// How many builders pass the filter.
pub(crate) async fn count(db: &Db, filter: &Filter<BuilderField>) -> Result<u64> {
    count::count::<Entity>(db, filter).await
}

/// Locks the builder against other writers until the transaction ends.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn lock(txn: &Txn, id: BuilderId) -> Result<Model> {
    txn.one(txn.lock_rows(Entity::find_by_id(id)))
        .await?
        .ok_or_else(|| Error::not_found("builder", id))
}

/// Finds the builder of this name or inserts it; concurrent callers get the same one.
pub(crate) async fn find_or_insert(txn: &Txn, name: &str) -> Result<Model> {
    let hash = name_hash(name);
    let find = || txn.one(Entity::find().filter(Column::NameHash.eq(hash.as_str())));
    // Found first, as an insert that meets a conflict still takes an id.
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
    let insert = Entity::insert(new).on_conflict_do_nothing_on([Column::NameHash]);
    txn.execute(insert).await?;
    // Read back, as the row may be one that another writer inserted meanwhile.
    find()
        .await?
        .ok_or_else(|| Error::not_found("builder", format!("{name:?}")))
}

/// Sets what is given of a builder. Also where nothing is given: the database records it.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn set_info(txn: &Txn, id: BuilderId, info: BuilderInfo) -> Result<Model> {
    let old = lock(txn, id).await?;
    let row = Model {
        description: info.description.or(old.description),
        description_format: info.description_format.or(old.description_format),
        description_html: info.description_html.or(old.description_html),
        ..old
    };
    let update = Entity::update_many()
        .col_expr(Column::Description, row.description.clone().into())
        .col_expr(
            Column::DescriptionFormat,
            row.description_format.clone().into(),
        )
        .col_expr(Column::DescriptionHtml, row.description_html.clone().into())
        .filter(Column::Id.eq(id));
    txn.execute(update).await?;
    if let Some(tags) = info.tags {
        builder_tag::replace(txn, id, &tags).await?;
    }
    Ok(row)
}
