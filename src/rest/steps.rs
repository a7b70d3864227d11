//! Steps: their fields, the list of a build, one.

use serde_json::{Value, json};

use super::{
    builds,
    path::{BuildRef, StepRef},
    query::{Column, Kind, Noun, Parameters, Query},
    view::Step,
};
use crate::{
    app::App,
    error::{Error, Result},
    model::{
        filter::{Filter, StepField},
        id::StepId,
        page::{Part, PartArgs},
    },
    store::step::{self, Model},
};

/// Steps.
pub(super) static NOUN: Noun<StepField> = {
    const fn column(name: &'static str, kind: Kind, field: StepField) -> Column<StepField> {
        let field = Some(field);
        Column { name, kind, field }
    }
    const NUMBER: Kind = Kind::Number { nullable: false };
    const NULLABLE: Kind = Kind::Number { nullable: true };
    Noun {
        plural: "steps",
        columns: &[
            column("buildid", NUMBER, StepField::Buildid),
            column("complete", Kind::Bool, StepField::Complete),
            column("complete_at", NULLABLE, StepField::CompleteAt),
            column("hidden", Kind::Bool, StepField::Hidden),
            column("locks_acquired_at", NULLABLE, StepField::LocksAcquiredAt),
            column("name", Kind::Identifier, StepField::Name),
            column("number", NUMBER, StepField::Number),
            column("results", NULLABLE, StepField::Results),
            column("started_at", NULLABLE, StepField::StartedAt),
            column(
                "state_string",
                Kind::Text { nullable: false },
                StepField::StateString,
            ),
            column("stepid", NUMBER, StepField::Stepid),
            column("urls", Kind::Opaque, StepField::Urls),
        ],
        order: &[StepField::Number, StepField::Stepid],
    }
};

/// The steps of a build; as in Buildbot, those of a build that has no row too.
pub(super) async fn list(app: &App, of: &BuildRef, parameters: &Parameters) -> Result<Value> {
    let query = Query::list(&NOUN, parameters, app.config.rest.rest_max_rows)?;
    let Part { rows, total } = match builds::id(app, of).await? {
        Some(build) => step::part_of(&app.db, build, &query.args).await?,
        None => Part {
            rows: Vec::new(),
            total: 0,
        },
    };
    let rows = rows.into_iter().map(|row| shown(app, row)).collect();
    Ok(query.part(Part { rows, total }))
}

/// One step.
pub(super) async fn one(app: &App, which: &StepRef, parameters: &Parameters) -> Result<Value> {
    let query = Query::single(&NOUN, parameters)?;
    let (row, text) = match which {
        StepRef::Id(number) => {
            let ids: Vec<StepId> = number.value.map(StepId).into_iter().collect();
            let row = step::by_ids(&app.db, &ids).await?.into_values().next();
            (row, number.text.clone())
        }
        StepRef::Of(build, step) => {
            let build = builds::id(app, build).await?;
            let row = match (build, &step.which) {
                (Some(build), Some(which)) => {
                    let (field, test) = Filter::name_or_number(which);
                    let args = PartArgs {
                        filter: Filter::Field(field, test),
                        order: Vec::new(),
                        // There is at most one; with room for a second nobody needs to count.
                        limit: 2,
                        offset: 0,
                    };
                    step::part_of(&app.db, build, &args).await?.rows.pop()
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
    json!(Step::new(row, || app
        .oddities
        .note("steps.urls_json", id.0)))
}
