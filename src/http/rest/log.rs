//! Logs: their fields, the list of a step, one of them.

use serde_json::{Value, json};

use crate::{
    app::App,
    domain::{
        error::{Error, Result},
        id::LogId,
        log::LogField,
        offset_page::OffsetPage,
    },
    http::rest::{
        parameters::Parameters,
        path::{LogRef, StepRef},
        query::RestQuery,
        resource::{FieldKind, Resource, ResourceField},
        step,
        view::LogView,
    },
    store::{
        db::database::Db,
        log::{self, Model},
    },
};

/// The fields of logs.
pub(crate) static RESOURCE: Resource<LogField> = Resource {
    plural: "logs",
    ne_matches_null: true,
    fields: &[
        ResourceField::new("complete", FieldKind::Bool, LogField::Complete),
        ResourceField::new("logid", FieldKind::NUMBER, LogField::Logid),
        ResourceField::new("name", FieldKind::TEXT, LogField::Name),
        ResourceField::new("num_lines", FieldKind::NUMBER, LogField::NumLines),
        ResourceField::new("slug", FieldKind::Identifier, LogField::Slug),
        ResourceField::new("stepid", FieldKind::NUMBER, LogField::Stepid),
        ResourceField::new("type", FieldKind::Identifier, LogField::Type),
    ],
    order: &[LogField::Logid],
};

/// Answers with the logs of a step. As in Buildbot, a step without a row may have some.
pub(crate) async fn list(
    app: &App,
    db: &Db,
    of: &StepRef,
    parameters: &Parameters,
) -> Result<Value> {
    let query = RestQuery::list(&RESOURCE, parameters, app.config.rest.rest_max_rows)?;
    let OffsetPage { rows, total } = match step::find_id(db, of).await? {
        Some(step) => log::offset_page_of(db, step, &query.args).await?,
        None => OffsetPage {
            rows: Vec::new(),
            total: 0,
        },
    };
    let rows = rows.into_iter().map(render).collect();
    Ok(query.list_body(OffsetPage { rows, total }))
}

/// Answers with one log.
pub(crate) async fn get(db: &Db, reference: &LogRef, parameters: &Parameters) -> Result<Value> {
    let query = RestQuery::single(&RESOURCE, parameters)?;
    let row = find(db, reference).await?;
    Ok(query.single_body(render(row)))
}

/// Finds a log.
///
/// # Errors
/// `NotFound`.
pub(crate) async fn find(db: &Db, reference: &LogRef) -> Result<Model> {
    let (row, given_id) = match reference {
        LogRef::Id(number) => {
            let ids: Vec<LogId> = number.value.map(LogId).into_iter().collect();
            let row = log::by_ids(db, &ids).await?.into_values().next();
            (row, number.text.clone())
        }
        LogRef::InStep(step, slug) => {
            let row = match step::find_id(db, step).await? {
                Some(step) => log::by_slug(db, slug, &[step]).await?.remove(&step),
                None => None,
            };
            (row, format!("{slug:?} of this step"))
        }
    };
    row.ok_or_else(|| Error::not_found("log", given_id))
}

fn render(row: Model) -> Value {
    json!(LogView::new(row))
}
