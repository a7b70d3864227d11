//! Builders: their fields, the list, one of them.

use serde_json::{Value, json};

use crate::{
    app::App,
    domain::{
        builder::BuilderField,
        error::{Error, Result},
        id::BuilderId,
        offset_page::OffsetPage,
    },
    http::rest::{
        parameters::Parameters,
        path::BuilderRef,
        query::RestQuery,
        resource::{FieldKind, Resource, ResourceField},
        view::BuilderView,
    },
    store::{
        builder::{self, Model},
        builder_master, builder_tag,
        db::database::Db,
    },
};

/// The fields of builders.
pub(crate) static RESOURCE: Resource<BuilderField> = Resource {
    plural: "builders",
    ne_matches_null: true,
    fields: &[
        ResourceField::new("builderid", FieldKind::NUMBER, BuilderField::Builderid),
        ResourceField::new(
            "description",
            FieldKind::NULLABLE_TEXT,
            BuilderField::Description,
        ),
        ResourceField::new(
            "description_format",
            FieldKind::NULLABLE_TEXT,
            BuilderField::DescriptionFormat,
        ),
        ResourceField::new(
            "description_html",
            FieldKind::NULLABLE_TEXT,
            BuilderField::DescriptionHtml,
        ),
        ResourceField::new("masterids", FieldKind::Numbers, BuilderField::Masterids),
        ResourceField::new("name", FieldKind::TEXT, BuilderField::Name),
        ResourceField::new(
            "projectid",
            FieldKind::NULLABLE_NUMBER,
            BuilderField::Projectid,
        ),
        ResourceField::new("tags", FieldKind::Texts, BuilderField::Tags),
    ],
    order: &[BuilderField::Builderid],
};

/// Answers with the builders.
pub(crate) async fn list(app: &App, db: &Db, parameters: &Parameters) -> Result<Value> {
    let query = RestQuery::list(&RESOURCE, parameters, app.config.rest.rest_max_rows)?;
    let OffsetPage { rows, total } = builder::offset_page(db, &query.args).await?;
    let rows = render(db, &query, rows).await?;
    Ok(query.list_body(OffsetPage { rows, total }))
}

/// Answers with one builder.
pub(crate) async fn get(db: &Db, reference: &BuilderRef, parameters: &Parameters) -> Result<Value> {
    let query = RestQuery::single(&RESOURCE, parameters)?;
    let (row, given_id) = match reference {
        BuilderRef::Name(name) => {
            let names = std::slice::from_ref(name);
            let row = builder::by_names(db, names).await?.remove(name);
            (row, format!("{name:?}"))
        }
        BuilderRef::Id(number) => {
            let ids: Vec<BuilderId> = number.value.map(BuilderId).into_iter().collect();
            let row = builder::by_ids(db, &ids).await?.into_values().next();
            (row, number.text.clone())
        }
    };
    let row = row.ok_or_else(|| Error::not_found("builder", given_id))?;
    let mut rows = render(db, &query, vec![row]).await?;
    // One row in, one row out.
    Ok(query.single_body(rows.remove(0)))
}

/// Finds the id of a builder. As in Buildbot, a given id is not looked up.
pub(crate) async fn find_id(db: &Db, reference: &BuilderRef) -> Result<Option<BuilderId>> {
    match reference {
        BuilderRef::Id(number) => Ok(number.value.map(BuilderId)),
        BuilderRef::Name(name) => {
            let names = std::slice::from_ref(name);
            let found = builder::by_names(db, names).await?;
            Ok(found.get(name).map(|row| row.id))
        }
    }
}

/// Renders rows with their masters and tags, where these are selected.
async fn render(db: &Db, query: &RestQuery<BuilderField>, rows: Vec<Model>) -> Result<Vec<Value>> {
    let ids: Vec<BuilderId> = rows.iter().map(|row| row.id).collect();
    // For no ids the store runs no statement.
    let ids_for = |field| {
        if query.selects(field) { &ids[..] } else { &[] }
    };
    let mut masters = builder_master::of_builders(db, ids_for("masterids")).await?;
    let mut tags = builder_tag::of_builders(db, ids_for("tags")).await?;
    let view = |row: Model| {
        let masters = masters.remove(&row.id).unwrap_or_default();
        let tags = tags.remove(&row.id).unwrap_or_default();
        json!(BuilderView::new(row, masters, tags))
    };
    Ok(rows.into_iter().map(view).collect())
}
