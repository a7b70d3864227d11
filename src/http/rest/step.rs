//! Steps: their fields, the list of a build, one.

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
        path::{BuildRef, StepRef},
        query::{FieldKind, Parameters, Resource, ResourceField, RestQuery},
        view::StepView,
    },
    store::step::{self, Model},
};

/// Steps.
pub(crate) static NOUN: Resource<StepField> = {
    const fn column(
        name: &'static str,
        kind: FieldKind,
        field: StepField,
    ) -> ResourceField<StepField> {
        let field = Some(field);
        ResourceField { name, kind, field }
    }
    const NUMBER: FieldKind = FieldKind::Number { nullable: false };
    const NULLABLE: FieldKind = FieldKind::Number { nullable: true };
    Resource {
        plural: "steps",
        columns: &[
            column("buildid", NUMBER, StepField::Buildid),
            column("complete", FieldKind::Bool, StepField::Complete),
            column("complete_at", NULLABLE, StepField::CompleteAt),
            column("hidden", FieldKind::Bool, StepField::Hidden),
            column("locks_acquired_at", NULLABLE, StepField::LocksAcquiredAt),
            column("name", FieldKind::Identifier, StepField::Name),
            column("number", NUMBER, StepField::Number),
            column("results", NULLABLE, StepField::Results),
            column("started_at", NULLABLE, StepField::StartedAt),
            column(
                "state_string",
                FieldKind::Text { nullable: false },
                StepField::StateString,
            ),
            column("stepid", NUMBER, StepField::Stepid),
            column("urls", FieldKind::Opaque, StepField::Urls),
        ],
        order: &[StepField::Number, StepField::Stepid],
    }
};

/// The steps of a build; as in Buildbot, those of a build that has no row too.
pub(crate) async fn list(app: &App, of: &BuildRef, parameters: &Parameters) -> Result<Value> {
    let query = RestQuery::list(&NOUN, parameters, app.config.rest.rest_max_rows)?;
    let OffsetPage { rows, total } = match build::id(app, of).await? {
        Some(build) => step::offset_page_of(&app.db, build, &query.args).await?,
        None => OffsetPage {
            rows: Vec::new(),
            total: 0,
        },
    };
    let rows = rows.into_iter().map(|row| shown(app, row)).collect();
    Ok(query.part(OffsetPage { rows, total }))
}

/// One step.
pub(crate) async fn one(app: &App, which: &StepRef, parameters: &Parameters) -> Result<Value> {
    let query = RestQuery::single(&NOUN, parameters)?;
    let (row, text) = match which {
        StepRef::Id(number) => {
            let ids: Vec<StepId> = number.value.map(StepId).into_iter().collect();
            let row = step::by_ids(&app.db, &ids).await?.into_values().next();
            (row, number.text.clone())
        }
        StepRef::Of(build, step) => {
            let build = build::id(app, build).await?;
            let row = match (build, &step.which) {
                (Some(build), Some(which)) => {
                    let (field, test) = which.test();
                    let args = OffsetPageArgs {
                        filter: Filter::Field(field, test),
                        order: Vec::new(),
                        // There is at most one; with room for a second nobody needs to count.
                        limit: 2,
                        offset: 0,
                    };
                    step::offset_page_of(&app.db, build, &args)
                        .await?
                        .rows
                        .pop()
                }
                _ => None,
            };
            (row, format!("{:?} of this build", step.text))
        }
    };
    let row = row.ok_or_else(|| Error::not_found("step", text))?;
    Ok(query.one(shown(app, row)))
}

fn shown(app: &App, row: Model) -> Value {
    let id = row.id;
    json!(StepView::new(row, || app
        .invalid_values
        .report("steps.urls_json", id.0)))
}
