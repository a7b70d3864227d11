//! Workers, in a Buildbot master's database.

use sea_orm::{QuerySelect, entity::prelude::*};

use crate::{domain::error::Result, store::db::database::Db};

/// A row of `workers`.
#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "workers")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: i32,
    pub(crate) name: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The name of a worker. Only Buildbot's databases have any.
pub(crate) async fn name(db: &Db, id: i32) -> Result<Option<String>> {
    if !db.is_buildbots() {
        return Ok(None);
    }
    let name = Entity::find_by_id(id).select_only().column(Column::Name);
    Ok(name.into_tuple().one(&db.reader().await?).await?)
}
