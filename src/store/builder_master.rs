//! The masters that have a builder, in a Buildbot master's database: the entity, a batch read, and
//! what orders and filters make of them.

use std::collections::HashMap;

use sea_orm::{
    DbBackend, QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{ExprTrait, Query, SelectStatement},
};

use crate::{
    domain::{error::Result, id::BuilderId},
    store::{
        db::{database::Db, dialect::SqlDialect},
        query::rows::MAX_BINDS,
    },
};

/// A row of `builder_masters`.
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

/// Selects the ids of the builders that this master has.
pub(crate) fn builders_of(master: i32) -> SelectStatement {
    Query::select()
        .column(Column::Builderid)
        .from(Entity)
        .and_where(Expr::col(Column::Masterid).eq(master))
        .take()
}

/// What builders are ordered by for their lists of masters, element by element: ids of one width,
/// so that they sort as numbers.
pub(crate) fn rank(dialect: SqlDialect) -> Expr {
    Expr::cust(match dialect.backend {
        DbBackend::Sqlite => {
            "(SELECT group_concat(masterid + 1000000000000, '') FROM (SELECT masterid FROM builder_masters \
             WHERE builderid = builders.id ORDER BY masterid))"
        }
        DbBackend::MySql => {
            "(SELECT GROUP_CONCAT(masterid + 1000000000000 ORDER BY masterid SEPARATOR '') FROM builder_masters \
             WHERE builderid = builders.id)"
        }
        _ => {
            "(SELECT string_agg(CAST(masterid + 1000000000000 AS text), '' ORDER BY masterid) FROM builder_masters \
             WHERE builderid = builders.id)"
        }
    })
}

/// The ids of the masters that have these builders, in order. Only Buildbot's databases have any.
pub(crate) async fn of_builders(
    db: &Db,
    ids: &[BuilderId],
) -> Result<HashMap<BuilderId, Vec<i32>>> {
    let mut masters: HashMap<BuilderId, Vec<i32>> = HashMap::new();
    if !db.is_buildbots() {
        return Ok(masters);
    }
    for ids in ids.chunks(MAX_BINDS) {
        let rows: Vec<(i32, i32)> = Entity::find()
            .select_only()
            .column(Column::Builderid)
            .column(Column::Masterid)
            .filter(Column::Builderid.is_in(ids.iter().map(|id| id.0)))
            .order_by_asc(Column::Masterid)
            .into_tuple()
            .all(&db.reader().await?)
            .await?;
        for (id, master) in rows {
            masters.entry(BuilderId(id)).or_default().push(master);
        }
    }
    Ok(masters)
}
