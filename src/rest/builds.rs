//! Builds: their fields, a list, one.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    builders,
    path::{BuildRef, BuilderRef, Number},
    query::{Column, Kind, Noun, Parameters, Query},
    view::Build,
};
use crate::{
    app::App,
    error::{Error, Result},
    model::{
        filter::{self, BuildField, Filter, Test},
        id::{BuildId, BuilderId},
        page::{Part, PartArgs},
    },
    store::build::{self, Model},
};

/// Builds.
pub(super) static NOUN: Noun<BuildField> = {
    const fn column(name: &'static str, kind: Kind, field: BuildField) -> Column<BuildField> {
        let field = Some(field);
        Column { name, kind, field }
    }
    const NUMBER: Kind = Kind::Number { nullable: false };
    const NULLABLE: Kind = Kind::Number { nullable: true };
    Noun {
        plural: "builds",
        columns: &[
            column("builderid", NUMBER, BuildField::Builderid),
            column("buildid", NUMBER, BuildField::Buildid),
            column("buildrequestid", NULLABLE, BuildField::Buildrequestid),
            column("complete", Kind::Bool, BuildField::Complete),
            column("complete_at", NULLABLE, BuildField::CompleteAt),
            column("locks_duration_s", NUMBER, BuildField::LocksDurationS),
            column("masterid", NULLABLE, BuildField::Masterid),
            column("number", NUMBER, BuildField::Number),
            Column {
                name: "properties",
                kind: Kind::Opaque,
                field: None,
            },
            column("results", NULLABLE, BuildField::Results),
            column("started_at", NUMBER, BuildField::StartedAt),
            column(
                "state_string",
                Kind::Text { nullable: false },
                BuildField::StateString,
            ),
            column("workerid", NULLABLE, BuildField::Workerid),
        ],
        order: &[BuildField::Buildid],
    }
};

/// The builds, or those of one builder; of a builder that is not there, none.
pub(super) async fn list(
    app: &App,
    of: Option<&BuilderRef>,
    parameters: &Parameters,
) -> Result<Value> {
    let query = Query::list(&NOUN, parameters, app.config.rest.rest_max_rows)?;
    let builder = match of {
        None => None,
        Some(builder) => match builders::id(app, builder).await? {
            Some(id) => Some(id),
            None => {
                return Ok(query.part(Part {
                    rows: Vec::new(),
                    total: 0,
                }));
            }
        },
    };
    let Part { rows, total } = build::part(&app.db, builder, &query.args).await?;
    let rows = shown(app, &query, rows).await?;
    Ok(query.part(Part { rows, total }))
}

/// One build.
pub(super) async fn one(app: &App, which: &BuildRef, parameters: &Parameters) -> Result<Value> {
    let query = Query::single(&NOUN, parameters)?;
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
pub(super) async fn id(app: &App, which: &BuildRef) -> Result<Option<BuildId>> {
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

async fn of_builder(app: &App, builder: &BuilderRef, number: &Number) -> Result<Option<Model>> {
    let builder: Option<BuilderId> = builders::id(app, builder).await?;
    let (Some(builder), Some(number)) = (builder, number.value) else {
        return Ok(None);
    };
    let args = PartArgs {
        filter: Filter::Field(
            BuildField::Number,
            Test::Eq(filter::Value::Int(number.into())),
        ),
        order: Vec::new(),
        // There is at most one; with room for a second nobody needs to count.
        limit: 2,
        offset: 0,
    };
    Ok(build::part(&app.db, Some(builder), &args).await?.rows.pop())
}

async fn shown(app: &App, query: &Query<BuildField>, rows: Vec<Model>) -> Result<Vec<Value>> {
    let ids: Vec<BuildId> = rows.iter().map(|row| row.id).collect();
    let names = &query.properties;
    let mut properties = if names.is_empty() || !query.wants("properties") {
        HashMap::new()
    } else {
        let names = (!names.iter().any(|name| name == "*")).then_some(&names[..]);
        build::properties_of(&app.db, &ids, names).await?
    };
    let view = |row: Model| {
        let properties = properties.remove(&row.id).unwrap_or_default();
        let id = row.id.0;
        let odd = || app.oddities.note("build_properties.value", id);
        json!(Build::new(row, properties, odd))
    };
    Ok(rows.into_iter().map(view).collect())
}
