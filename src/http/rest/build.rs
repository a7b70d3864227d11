//! Builds: their fields, the list, one of them.

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
        parameters::Parameters,
        path::{BuildRef, BuilderRef, PathNumber},
        query::RestQuery,
        resource::{FieldKind, Resource, ResourceField},
        view::BuildView,
    },
    store::{
        build::{self, Model},
        build_property,
        db::database::Db,
    },
};

/// The fields of builds.
pub(crate) static RESOURCE: Resource<BuildField> = Resource {
    plural: "builds",
    ne_matches_null: false,
    fields: &[
        ResourceField::new("builderid", FieldKind::NUMBER, BuildField::Builderid),
        ResourceField::new("buildid", FieldKind::NUMBER, BuildField::Buildid),
        ResourceField::new(
            "buildrequestid",
            FieldKind::NULLABLE_NUMBER,
            BuildField::Buildrequestid,
        ),
        ResourceField::new("complete", FieldKind::Bool, BuildField::Complete),
        ResourceField::new(
            "complete_at",
            FieldKind::NULLABLE_NUMBER,
            BuildField::CompleteAt,
        ),
        ResourceField::new(
            "locks_duration_s",
            FieldKind::NUMBER,
            BuildField::LocksDurationS,
        ),
        ResourceField::new("masterid", FieldKind::NULLABLE_NUMBER, BuildField::Masterid),
        ResourceField::new("number", FieldKind::NUMBER, BuildField::Number),
        ResourceField {
            name: "properties",
            kind: FieldKind::Opaque,
            store_field: None,
        },
        ResourceField::new("results", FieldKind::NULLABLE_NUMBER, BuildField::Results),
        ResourceField::new("started_at", FieldKind::NUMBER, BuildField::StartedAt),
        ResourceField::new("state_string", FieldKind::TEXT, BuildField::StateString),
        ResourceField::new("workerid", FieldKind::NULLABLE_NUMBER, BuildField::Workerid),
    ],
    order: &[BuildField::Buildid],
};

/// Answers with the builds, or with those of one builder. A builder without a row has none.
pub(crate) async fn list(
    app: &App,
    db: &Db,
    of: Option<&BuilderRef>,
    parameters: &Parameters,
) -> Result<Value> {
    let query = RestQuery::list(&RESOURCE, parameters, app.config.rest.rest_max_rows)?;
    let builder = match of {
        None => None,
        Some(builder) => match builder::find_id(db, builder).await? {
            Some(id) => Some(id),
            None => {
                return Ok(query.list_body(OffsetPage {
                    rows: Vec::new(),
                    total: 0,
                }));
            }
        },
    };
    let OffsetPage { rows, total } = build::offset_page(db, builder, &query.args).await?;
    let rows = render(app, db, &query, rows).await?;
    Ok(query.list_body(OffsetPage { rows, total }))
}

/// Answers with one build.
pub(crate) async fn get(
    app: &App,
    db: &Db,
    reference: &BuildRef,
    parameters: &Parameters,
) -> Result<Value> {
    let query = RestQuery::single(&RESOURCE, parameters)?;
    let row = match reference {
        BuildRef::Id(number) => {
            let ids: Vec<BuildId> = number.value.map(BuildId).into_iter().collect();
            build::by_ids(db, &ids).await?.into_values().next()
        }
        BuildRef::InBuilder(builder, number) => by_number(db, builder, number).await?,
    };
    let row = row.ok_or_else(|| not_found(reference))?;
    let mut rows = render(app, db, &query, vec![row]).await?;
    // One row in, one row out.
    Ok(query.single_body(rows.remove(0)))
}

/// Finds the id of a build. As in Buildbot, a given id is not looked up.
///
/// # Errors
/// `NotFound` for a build that is given by its builder and number.
pub(crate) async fn find_id(db: &Db, reference: &BuildRef) -> Result<Option<BuildId>> {
    match reference {
        BuildRef::Id(number) => Ok(number.value.map(BuildId)),
        BuildRef::InBuilder(builder, number) => match by_number(db, builder, number).await? {
            Some(row) => Ok(Some(row.id)),
            None => Err(not_found(reference)),
        },
    }
}

fn not_found(reference: &BuildRef) -> Error {
    let id = match reference {
        BuildRef::Id(number) => number.text.clone(),
        BuildRef::InBuilder(BuilderRef::Id(id), number) => {
            format!("{} of the builder {}", number.text, id.text)
        }
        BuildRef::InBuilder(BuilderRef::Name(name), number) => {
            format!("{} of the builder {name:?}", number.text)
        }
    };
    Error::not_found("build", id)
}

async fn by_number(db: &Db, builder: &BuilderRef, number: &PathNumber) -> Result<Option<Model>> {
    let builder: Option<BuilderId> = builder::find_id(db, builder).await?;
    let (Some(builder), Some(number)) = (builder, number.value) else {
        return Ok(None);
    };
    let args = OffsetPageArgs {
        filter: Filter::Field(
            BuildField::Number,
            Test::Eq(filter::Value::Int(number.into())),
        ),
        order: Vec::new(),
        // At most one row matches, and a page that is not full saves the counting statement.
        limit: 2,
        offset: 0,
    };
    Ok(build::offset_page(db, Some(builder), &args)
        .await?
        .rows
        .pop())
}

/// Renders rows with the properties that the caller wants.
async fn render(
    app: &App,
    db: &Db,
    query: &RestQuery<BuildField>,
    rows: Vec<Model>,
) -> Result<Vec<Value>> {
    let ids: Vec<BuildId> = rows.iter().map(|row| row.id).collect();
    let names = &query.properties;
    let mut properties = if names.is_empty() || !query.selects("properties") {
        HashMap::new()
    } else {
        // `None` reads all properties.
        let names = (!names.iter().any(|name| name == "*")).then_some(&names[..]);
        build_property::of_builds(db, &ids, names).await?
    };
    let view = |row: Model| {
        let properties = properties.remove(&row.id).unwrap_or_default();
        let id = row.id.0;
        let report_invalid = || app.invalid_values.report("build_properties.value", id);
        json!(BuildView::new(row, properties, report_invalid))
    };
    Ok(rows.into_iter().map(view).collect())
}
