//! The tags of builders: the entities, a batch read, and what orders and filters make of them.

use std::collections::HashMap;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    DbBackend, JoinType, QueryOrder, QuerySelect, QueryTrait, RelationTrait,
    entity::prelude::*,
    sea_query::{ExprTrait, Query, SelectStatement},
};

use crate::{
    domain::{error::Result, id::BuilderId},
    store::{
        db::{database::Db, dialect::SqlDialect, transaction::Txn},
        query::{
            field::utf8_bytes,
            rows::{MAX_BINDS, read_rows},
        },
        row::Row,
    },
};

/// A row of `builders_tags`.
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
        belongs_to = "tag::Entity",
        from = "Column::Tagid",
        to = "tag::Column::Id"
    )]
    Tag,
}

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

/// The value of a column `name_hash`, of tags and of builders: the lower-case hexadecimal SHA-1 of
/// the name in UTF-8.
pub(crate) fn name_hash(name: &str) -> String {
    hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, name.as_bytes()))
}

/// Selects the ids of the builders with this tag.
pub(crate) fn builders_with(name: &str) -> SelectStatement {
    Query::select()
        .column((Entity, Column::Builderid))
        .from(Entity)
        .inner_join(
            tag::Entity,
            Expr::col((tag::Entity, tag::Column::Id)).equals((Entity, Column::Tagid)),
        )
        .and_where(Expr::col((tag::Entity, tag::Column::NameHash)).eq(name_hash(name)))
        .take()
}

/// What builders are ordered by for their lists of tags, element by element: the names, joined by a
/// character that is less than any in them.
pub(crate) fn rank(dialect: SqlDialect) -> Expr {
    // Bytes and `C` compare by code point, as SQLite does.
    match dialect.backend {
        DbBackend::Sqlite => Expr::cust(
            "(SELECT group_concat(name, char(1)) FROM (SELECT t.name FROM builders_tags x JOIN tags t ON t.id = x.tagid \
             WHERE x.builderid = builders.id ORDER BY x.id))",
        ),
        DbBackend::MySql => utf8_bytes(Expr::cust(
            "(SELECT GROUP_CONCAT(t.name ORDER BY x.id SEPARATOR '\u{1}') FROM builders_tags x \
             JOIN tags t ON t.id = x.tagid WHERE x.builderid = builders.id)",
        )),
        _ => Expr::cust(
            "(SELECT string_agg(t.name, chr(1) ORDER BY x.id) FROM builders_tags x JOIN tags t ON t.id = x.tagid \
             WHERE x.builderid = builders.id) COLLATE \"C\"",
        ),
    }
}

/// The tags of these builders, in the order they were given to each.
pub(crate) async fn of_builders(
    db: &Db,
    ids: &[BuilderId],
) -> Result<HashMap<BuilderId, Vec<String>>> {
    let mut tags: HashMap<BuilderId, Vec<String>> = HashMap::new();
    for ids in ids.chunks(MAX_BINDS) {
        let select = Entity::find()
            .select_only()
            .column(Column::Builderid)
            .column(tag::Column::Name)
            .join(JoinType::InnerJoin, Relation::Tag.def())
            .filter(Column::Builderid.is_in(ids.iter().map(|id| id.0)))
            .order_by_asc(Column::Id)
            .into_query();
        let read = |row: Row<'_>| {
            let (id, name): (i32, String) = (row.get(0)?, row.get(1)?);
            let bytes = name.len();
            Ok(((id, name), bytes))
        };
        for (id, name) in read_rows(db, &select, read).await? {
            tags.entry(BuilderId(id)).or_default().push(name);
        }
    }
    Ok(tags)
}

/// Gives a builder these tags, in this order, and no others.
pub(crate) async fn replace(txn: &Txn, builder: BuilderId, names: &[String]) -> Result<()> {
    let old = Entity::delete_many().filter(Column::Builderid.eq(builder.0));
    txn.execute(old).await?;
    for name in names {
        let new = ActiveModel {
            id: NotSet,
            builderid: Set(builder.0),
            tagid: Set(find_or_insert(txn, name).await?),
        };
        txn.insert(new).await?;
    }
    Ok(())
}

/// The id of the tag of this name, which is added if there is none.
async fn find_or_insert(txn: &Txn, name: &str) -> Result<i32> {
    let hash = name_hash(name);
    let find = tag::Entity::find().filter(tag::Column::NameHash.eq(hash.as_str()));
    let find = find.select_only().column(tag::Column::Id);
    if let Some((id,)) = txn.one(find).await? {
        return Ok(id);
    }
    let new = tag::ActiveModel {
        id: NotSet,
        name: Set(name.to_owned()),
        name_hash: Set(hash),
    };
    // A name that another writer adds meanwhile is a conflict, after which the write runs again.
    txn.insert(new).await
}
