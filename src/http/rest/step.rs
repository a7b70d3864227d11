//! Steps: their fields, the list of a build, one of them.

use serde_json::{Value, json};

use crate::{
    app::App,
    domain::{
        error::{Error, Result},
        filter::Filter,
        id::StepId,
        offset_page::{OffsetPage, OffsetPageArgs},
        step::StepField,
    },
    http::rest::{
        build,
        parameters::Parameters,
        path::{BuildRef, StepElement, StepRef},
        query::RestQuery,
        resource::{FieldKind, Resource, ResourceField},
        view::StepView,
    },
    store::{
        db::database::Db,
        step::{self, Model},
    },
};

/// The fields of steps.
pub(crate) static RESOURCE: Resource<StepField> = Resource {
    plural: "steps",
    ne_matches_null: true,
    fields: &[
        ResourceField::new("buildid", FieldKind::NUMBER, StepField::Buildid),
        ResourceField::new("complete", FieldKind::Bool, StepField::Complete),
        ResourceField::new(
            "complete_at",
            FieldKind::NULLABLE_NUMBER,
            StepField::CompleteAt,
        ),
        ResourceField::new("hidden", FieldKind::Bool, StepField::Hidden),
        ResourceField::new(
            "locks_acquired_at",
            FieldKind::NULLABLE_NUMBER,
            StepField::LocksAcquiredAt,
        ),
        ResourceField::new("name", FieldKind::Identifier, StepField::Name),
        ResourceField::new("number", FieldKind::NUMBER, StepField::Number),
        ResourceField::new("results", FieldKind::NULLABLE_NUMBER, StepField::Results),
        ResourceField::new(
            "started_at",
            FieldKind::NULLABLE_NUMBER,
            StepField::StartedAt,
        ),
        ResourceField::new("state_string", FieldKind::TEXT, StepField::StateString),
        ResourceField::new("stepid", FieldKind::NUMBER, StepField::Stepid),
        ResourceField::new("urls", FieldKind::Opaque, StepField::Urls),
    ],
    order: &[StepField::Number, StepField::Stepid],
};

/// Answers with the steps of a build. As in Buildbot, a build without a row may have some.
pub(crate) async fn list(
    app: &App,
    db: &Db,
    of: &BuildRef,
    parameters: &Parameters,
) -> Result<Value> {
    let query = RestQuery::list(&RESOURCE, parameters, app.config.rest.rest_max_rows)?;
    let OffsetPage { rows, total } = match build::find_id(db, of).await? {
        Some(build) => step::offset_page_of(db, build, &query.args).await?,
        None => OffsetPage {
            rows: Vec::new(),
            total: 0,
        },
    };
    let rows = rows.into_iter().map(|row| render(app, row)).collect();
    Ok(query.list_body(OffsetPage { rows, total }))
}

/// Answers with one step.
pub(crate) async fn get(
    app: &App,
    db: &Db,
    reference: &StepRef,
    parameters: &Parameters,
) -> Result<Value> {
    let query = RestQuery::single(&RESOURCE, parameters)?;
    let row = find(db, reference).await?;
    Ok(query.single_body(render(app, row)))
}

/// Finds a step.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn find(db: &Db, reference: &StepRef) -> Result<Model> {
    let (row, given_id) = match reference {
        StepRef::Id(number) => {
            let ids: Vec<StepId> = number.value.map(StepId).into_iter().collect();
            let row = step::by_ids(db, &ids).await?.into_values().next();
            (row, number.text.clone())
        }
        StepRef::InBuild(build, element) => {
            let row = by_name_or_number(db, build, element).await?;
            (row, format!("{:?} of this build", element.text))
        }
    };
    row.ok_or_else(|| Error::not_found("step", given_id))
}

/// Finds the id of a step. As in Buildbot, a given id is not looked up.
///
/// # Errors
/// `NotFound` for a step that is given by its build.
pub(crate) async fn find_id(db: &Db, reference: &StepRef) -> Result<Option<StepId>> {
    match reference {
        StepRef::Id(number) => Ok(number.value.map(StepId)),
        StepRef::InBuild(..) => Ok(Some(find(db, reference).await?.id)),
    }
}

async fn by_name_or_number(
    db: &Db,
    build: &BuildRef,
    element: &StepElement,
) -> Result<Option<Model>> {
    let build = build::find_id(db, build).await?;
    let (Some(build), Some(name_or_number)) = (build, &element.name_or_number) else {
        return Ok(None);
    };
    let (field, test) = name_or_number.test();
    let args = OffsetPageArgs {
        filter: Filter::Field(field, test),
        order: Vec::new(),
        // At most one row matches, and a page that is not full saves the counting statement.
        limit: 2,
        offset: 0,
    };
    Ok(step::offset_page_of(db, build, &args).await?.rows.pop())
}

fn render(app: &App, row: Model) -> Value {
    let id = row.id.0;
    let report_invalid = || app.invalid_values.report("steps.urls_json", id);
    json!(StepView::new(row, report_invalid))
}
