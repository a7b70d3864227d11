//! Builds: their fields, a list, one.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{
    app::App,
    domain::{
        build::BuildField,
        error::{Error, Result},
        filter::{self, Filter, Test},
        id::{BuildId, BuilderId},
        offset_page::{OffsetPage, OffsetPageArgs},
    },
    http::rest::{
        builder,
        path::{BuildRef, BuilderRef, PathNumber},
        query::{FieldKind, Parameters, Resource, ResourceField, RestQuery},
        view::BuildView,
    },
    store::{
        build::{self, Model},
        build_property,
    },
};

/// Builds.
pub(crate) static NOUN: Resource<BuildField> = {
    const fn column(
        name: &'static str,
        kind: FieldKind,
        field: BuildField,
    ) -> ResourceField<BuildField> {
        let field = Some(field);
        ResourceField { name, kind, field }
    }
    const NUMBER: FieldKind = FieldKind::Number { nullable: false };
    const NULLABLE: FieldKind = FieldKind::Number { nullable: true };
    Resource {
        plural: "builds",
        columns: &[
            column("builderid", NUMBER, BuildField::Builderid),
            column("buildid", NUMBER, BuildField::Buildid),
            column("buildrequestid", NULLABLE, BuildField::Buildrequestid),
            column("complete", FieldKind::Bool, BuildField::Complete),
            column("complete_at", NULLABLE, BuildField::CompleteAt),
            column("locks_duration_s", NUMBER, BuildField::LocksDurationS),
            column("masterid", NULLABLE, BuildField::Masterid),
            column("number", NUMBER, BuildField::Number),
            ResourceField {
                name: "properties",
                kind: FieldKind::Opaque,
                field: None,
            },
            column("results", NULLABLE, BuildField::Results),
            column("started_at", NUMBER, BuildField::StartedAt),
            column(
                "state_string",
                FieldKind::Text { nullable: false },
                BuildField::StateString,
            ),
            column("workerid", NULLABLE, BuildField::Workerid),
        ],
        order: &[BuildField::Buildid],
    }
};

/// The builds, or those of one builder; of a builder that is not there, none.
pub(crate) async fn list(
    app: &App,
    of: Option<&BuilderRef>,
    parameters: &Parameters,
) -> Result<Value> {
    let query = RestQuery::list(&NOUN, parameters, app.config.rest.rest_max_rows)?;
    let builder = match of {
        None => None,
        Some(builder) => match builder::id(app, builder).await? {
            Some(id) => Some(id),
            None => {
                return Ok(query.part(OffsetPage {
                    rows: Vec::new(),
                    total: 0,
                }));
            }
        },
    };
    let OffsetPage { rows, total } = build::offset_page(&app.db, builder, &query.args).await?;
    let rows = shown(app, &query, rows).await?;
    Ok(query.part(OffsetPage { rows, total }))
}

/// One build.
pub(crate) async fn one(app: &App, which: &BuildRef, parameters: &Parameters) -> Result<Value> {
    let query = RestQuery::single(&NOUN, parameters)?;
    let row = match which {
        BuildRef::Id(number) => {
            let ids: Vec<BuildId> = number.value.map(BuildId).into_iter().collect();
            build::by_ids(&app.db, &ids).await?.into_values().next()
        }
        BuildRef::Of(builder, number) => of_builder(app, builder, number).await?,
    };
    let row = row.ok_or_else(|| not_found(which))?;
    let mut rows = shown(app, &query, vec![row]).await?;
    Ok(query.one(rows.remove(0)))
}

/// The id of a build; as in Buildbot, one that is given by its id is not looked up.
///
/// # Errors
/// `NotFound` for one that is given by its builder.
pub(crate) async fn id(app: &App, which: &BuildRef) -> Result<Option<BuildId>> {
    match which {
        BuildRef::Id(number) => Ok(number.value.map(BuildId)),
        BuildRef::Of(builder, number) => match of_builder(app, builder, number).await? {
            Some(row) => Ok(Some(row.id)),
            None => Err(not_found(which)),
        },
    }
}

fn not_found(which: &BuildRef) -> Error {
    let id = match which {
        BuildRef::Id(number) => number.text.clone(),
        BuildRef::Of(BuilderRef::Id(id), number) => {
            format!("{} of the builder {}", number.text, id.text)
        }
        BuildRef::Of(BuilderRef::Name(name), number) => {
            format!("{} of the builder {name:?}", number.text)
        }
    };
    Error::not_found("build", id)
}

async fn of_builder(app: &App, builder: &BuilderRef, number: &PathNumber) -> Result<Option<Model>> {
    let builder: Option<BuilderId> = builder::id(app, builder).await?;
    let (Some(builder), Some(number)) = (builder, number.value) else {
        return Ok(None);
    };
    let args = OffsetPageArgs {
        filter: Filter::Field(
            BuildField::Number,
            Test::Eq(filter::Value::Int(number.into())),
        ),
        order: Vec::new(),
        // There is at most one; with room for a second nobody needs to count.
        limit: 2,
        offset: 0,
    };
    Ok(build::offset_page(&app.db, Some(builder), &args)
        .await?
        .rows
        .pop())
}

async fn shown(app: &App, query: &RestQuery<BuildField>, rows: Vec<Model>) -> Result<Vec<Value>> {
    let ids: Vec<BuildId> = rows.iter().map(|row| row.id).collect();
    let names = &query.properties;
    let mut properties = if names.is_empty() || !query.wants("properties") {
        HashMap::new()
    } else {
        let names = (!names.iter().any(|name| name == "*")).then_some(&names[..]);
        build_property::of_builds(&app.db, &ids, names).await?
    };
    let view = |row: Model| {
        let properties = properties.remove(&row.id).unwrap_or_default();
        let id = row.id.0;
        let odd = || app.invalid_values.report("build_properties.value", id);
        json!(BuildView::new(row, properties, odd))
    };
    Ok(rows.into_iter().map(view).collect())
}
