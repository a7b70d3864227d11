//! Builders: their fields, a list, one.

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
        path::BuilderRef,
        query::{FieldKind, Parameters, Resource, ResourceField, RestQuery},
        view::BuilderView,
    },
    store::{
        builder::{self, Model},
        builder_master, builder_tag,
    },
};

/// Builders.
pub(crate) static NOUN: Resource<BuilderField> = {
    const fn column(
        name: &'static str,
        kind: FieldKind,
        field: BuilderField,
    ) -> ResourceField<BuilderField> {
        let field = Some(field);
        ResourceField { name, kind, field }
    }
    const TEXT: FieldKind = FieldKind::Text { nullable: true };
    Resource {
        plural: "builders",
        columns: &[
            column(
                "builderid",
                FieldKind::Number { nullable: false },
                BuilderField::Builderid,
            ),
            column("description", TEXT, BuilderField::Description),
            column("description_format", TEXT, BuilderField::DescriptionFormat),
            column("description_html", TEXT, BuilderField::DescriptionHtml),
            column("masterids", FieldKind::Numbers, BuilderField::Masterids),
            column(
                "name",
                FieldKind::Text { nullable: false },
                BuilderField::Name,
            ),
            column(
                "projectid",
                FieldKind::Number { nullable: true },
                BuilderField::Projectid,
            ),
            column("tags", FieldKind::Texts, BuilderField::Tags),
        ],
        order: &[BuilderField::Builderid],
    }
};

/// The builders.
pub(crate) async fn list(app: &App, parameters: &Parameters) -> Result<Value> {
    let query = RestQuery::list(&NOUN, parameters, app.config.rest.rest_max_rows)?;
    let OffsetPage { rows, total } = builder::offset_page(&app.db, &query.args).await?;
    let rows = shown(app, &query, rows).await?;
    Ok(query.part(OffsetPage { rows, total }))
}

/// One builder.
pub(crate) async fn one(app: &App, which: &BuilderRef, parameters: &Parameters) -> Result<Value> {
    let query = RestQuery::single(&NOUN, parameters)?;
    let (row, shown_id) = match which {
        BuilderRef::Name(name) => {
            let names = std::slice::from_ref(name);
            let row = builder::by_names(&app.db, names).await?.remove(name);
            (row, format!("{name:?}"))
        }
        BuilderRef::Id(number) => {
            let ids: Vec<BuilderId> = number.value.map(BuilderId).into_iter().collect();
            let row = builder::by_ids(&app.db, &ids).await?.into_values().next();
            (row, number.text.clone())
        }
    };
    let row = row.ok_or_else(|| Error::not_found("builder", shown_id))?;
    let mut rows = shown(app, &query, vec![row]).await?;
    Ok(query.one(rows.remove(0)))
}

/// The id of a builder; as in Buildbot, one that is given by its id is not looked up.
pub(crate) async fn id(app: &App, which: &BuilderRef) -> Result<Option<BuilderId>> {
    match which {
        BuilderRef::Id(number) => Ok(number.value.map(BuilderId)),
        BuilderRef::Name(name) => {
            let names = std::slice::from_ref(name);
            let found = builder::by_names(&app.db, names).await?;
            Ok(found.get(name).map(|row| row.id))
        }
    }
}

async fn shown(app: &App, query: &RestQuery<BuilderField>, rows: Vec<Model>) -> Result<Vec<Value>> {
    let ids: Vec<BuilderId> = rows.iter().map(|row| row.id).collect();
    let ids_for = |field| if query.wants(field) { &ids[..] } else { &[] };
    let mut masters = builder_master::of_builders(&app.db, ids_for("masterids")).await?;
    let mut tags = builder_tag::of_builders(&app.db, ids_for("tags")).await?;
    let view = |row: Model| {
        let masters = masters.remove(&row.id).unwrap_or_default();
        let tags = tags.remove(&row.id).unwrap_or_default();
        json!(BuilderView::new(row, masters, tags))
    };
    Ok(rows.into_iter().map(view).collect())
}
