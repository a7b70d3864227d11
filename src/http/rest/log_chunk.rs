//! `contents`: lines of a log as JSON. The answer is written while it is read, so that it may be as
//! long as the log.

use asynk_strim::try_stream_fn;
use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    app::App,
    domain::error::{Error, Result},
    http::{
        accept,
        rest::{
            log,
            log_text::{LogTextRequest, report},
            path::LogRef,
            query::RestQuery,
            resource::{FieldKind, Resource, ResourceField},
            response::{JSON, RestError, TEXT},
            view::LogChunkView,
        },
    },
    service::log_text_reader::LogTextReader,
    store::{db::database::Db, log::Model},
};

/// Fields of which the store knows none.
type ChunkField = ();

/// The fields of the text of a log.
pub(crate) static RESOURCE: Resource<ChunkField> = Resource {
    plural: "logchunks",
    ne_matches_null: true,
    fields: &[
        field("content", FieldKind::TEXT),
        field("firstline", FieldKind::NUMBER),
        field("logid", FieldKind::NUMBER),
    ],
    order: &[],
};

const fn field(name: &'static str, kind: FieldKind) -> ResourceField<ChunkField> {
    ResourceField {
        name,
        kind,
        store_field: None,
    }
}

/// Answers with the lines that `offset` and `limit` ask for.
pub(crate) async fn respond(
    app: &App,
    db: &Db,
    log: &LogRef,
    request: &LogTextRequest<'_>,
) -> Result<Response, RestError> {
    let query = RestQuery::single(&RESOURCE, request.parameters)?;
    let log = log::find(db, log).await?;
    let lines = lines(&log, request)?;
    let prefers_text = accept::quality(request.headers, "text/plain")
        > accept::quality(request.headers, "application/json");
    let view = LogChunkView {
        content: String::new(),
        firstline: lines.0,
        logid: log.id.0,
    };
    let body = query.single_body(json!(view));
    let (json, media) = if prefers_text {
        let json = serde_json::to_string_pretty(&body).map_err(Error::internal)?;
        (json + "\n", TEXT)
    } else {
        (body.to_string(), JSON)
    };
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::VARY, HeaderValue::from_static("Accept")),
    ];
    // The content is the only text among the values, so that its quotes are found.
    let Some((before, after)) = json.split_once("\"\"") else {
        return Ok((headers, json).into_response());
    };
    let mut reader = LogTextReader::new(app, db, &log, lines, true);
    // Read now, so that a log that cannot be read is an error, and not half an answer.
    let mut next = reader.next().await?;
    let (before, after) = (format!("{before}\""), format!("\"{after}"));
    let pieces = try_stream_fn(move |mut out| async move {
        out.yield_ok(Bytes::from(before)).await;
        while let Some(piece) = next {
            out.yield_ok(escaped(&piece)?.into()).await;
            next = reader.next().await.inspect_err(report)?;
        }
        out.yield_ok(after.into()).await;
        Ok::<_, Error>(())
    });
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// The first line and the last.
///
/// # Errors
/// `NotFound` where they are none, as in Buildbot.
fn lines(log: &Model, request: &LogTextRequest<'_>) -> Result<(i32, i32)> {
    let number = |name| -> Result<Option<i32>> {
        let number = request.parameters.number(name)?;
        Ok(number.map(|n| i32::try_from(n).unwrap_or(i32::MAX)))
    };
    let first = number("offset")?.unwrap_or(0);
    let last = match number("limit")? {
        Some(limit) => first.saturating_add(limit.saturating_sub(1)),
        None => log.num_lines.saturating_sub(1).max(0),
    };
    let is_none = request.parameters.number("limit")? == Some(0);
    if is_none || first > last {
        let id = format!("{} with the lines that offset and limit ask for", log.id);
        return Err(Error::not_found("log", id));
    }
    Ok((first, last))
}

/// A piece of a text as it stands between the quotes of JSON.
fn escaped(piece: &str) -> Result<String> {
    let quoted = serde_json::to_string(piece).map_err(Error::internal)?;
    let inner = quoted.get(1..quoted.len() - 1);
    Ok(inner.unwrap_or_default().to_owned())
}
