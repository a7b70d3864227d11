//! Properties of builds, in a Buildbot master's database: the entity and a batch read.

use std::collections::HashMap;

use sea_orm::{DbBackend, QueryTrait, entity::prelude::*, sea_query::ExprTrait};

use crate::{
    domain::{error::Result, id::BuildId},
    store::{
        db::database::Db,
        query::{
            field::utf8_bytes,
            rows::{MAX_BINDS, read_all},
        },
        row::from_row,
        row_bytes::RowBytes,
    },
};

/// A row of `build_properties`: a property of a build.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "build_properties")]
pub(crate) struct Model {
    // The table has no key; sea-orm wants one.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) buildid: BuildId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) name: String,
    /// In JSON.
    pub(crate) value: String,
    pub(crate) source: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

from_row!(Model {
    buildid,
    name,
    value,
    source,
});

impl RowBytes for Model {
    fn text_bytes(&self) -> usize {
        self.name.len() + self.value.len() + self.source.len()
    }
}

/// The properties of these builds, all or those of these names. Only Buildbot's databases have any.
pub(crate) async fn of_builds(
    db: &Db,
    ids: &[BuildId],
    names: Option<&[String]>,
) -> Result<HashMap<BuildId, Vec<Model>>> {
    let mut properties: HashMap<BuildId, Vec<Model>> = HashMap::new();
    if !db.is_buildbots() {
        return Ok(properties);
    }
    // The other half is for the names.
    for ids in ids.chunks(MAX_BINDS / 2) {
        let mut query = Entity::find().filter(Column::Buildid.is_in(ids.iter().copied()));
        if let Some(names) = names {
            let name = Expr::col((Entity, Column::Name));
            // MariaDB refuses a name with a character that the column lacks, unless by its bytes.
            let name = match db.backend() {
                DbBackend::MySql => utf8_bytes(name),
                _ => name,
            };
            query = query.filter(name.is_in(names));
        }
        for row in read_all::<Model>(db, query.into_query()).await? {
            properties.entry(row.buildid).or_default().push(row);
        }
    }
    Ok(properties)
}
