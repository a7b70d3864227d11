//! Reads a request's body, which must be uncompressed JSON, within a size and a time limit.

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use mime::Mime;
use tokio::time::timeout;

use crate::{
    app::App, auth::request_context::RequestContext, http::graphql::refusal::HttpRefusal,
    memory::MemoryShare,
};

/// How many bytes a byte of a request takes while it is read: the text, its JSON, the variables and
/// the operation that has them.
pub(crate) const READ_FACTOR: usize = 4;

/// Accepts only JSON: browsers send a preflight before a page of another site may post it, but none
/// before the types of a form.
pub(crate) fn check_headers(headers: &HeaderMap) -> Result<(), HttpRefusal> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    let is_json = given.and_then(|v| v.parse::<Mime>().ok()).is_some_and(|m| {
        m.essence_str() == "application/json"
            && m.get_param(mime::CHARSET).is_none_or(|c| c == mime::UTF_8)
    });
    if is_json {
        return check_content_encoding(headers);
    }
    let got = given.map_or_else(|| "none".to_owned(), |v| format!("{v:?}"));
    Err(HttpRefusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("Content-Type: application/json is needed, got {got}"),
    ))
}

fn check_content_encoding(headers: &HeaderMap) -> Result<(), HttpRefusal> {
    let mut given = headers.get_all(header::CONTENT_ENCODING).iter();
    match given.find(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        None => Ok(()),
        Some(encoding) => Err(HttpRefusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("Content-Encoding: a body is not compressed here, got {encoding:?}"),
        )),
    }
}

/// Reads the whole body, with the memory that it takes.
///
/// # Errors
/// 413 if it is too large, 408 if it takes too long, 400 if the client breaks off, 429 where the
/// caller has no points or memory for it, 503 where the server has no memory.
pub(crate) async fn read(
    body: Body,
    headers: &HeaderMap,
    app: &App,
    context: &RequestContext,
) -> Result<(Vec<u8>, MemoryShare), HttpRefusal> {
    let config = &app.config;
    let limit = config.http.max_body_bytes;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    // Refused on its head alone: the client need not send the body first.
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let collected = collect(Limited::new(body, limit), app, context);
    let read = timeout(config.connection.read_timeout(), collected).await;
    read.unwrap_or_else(|_| {
        let seconds = config.connection.read_timeout_seconds;
        let message =
            format!("read-timeout-seconds is {seconds}, and the body was not all there by then");
        Err(HttpRefusal::new(StatusCode::REQUEST_TIMEOUT, message).closing_connection())
    })
}

async fn collect(
    mut body: Limited<Body>,
    app: &App,
    context: &RequestContext,
) -> Result<(Vec<u8>, MemoryShare), HttpRefusal> {
    let limit = app.config.http.max_body_bytes;
    let (mut read, mut share) = (Vec::new(), app.rate_limiter.memory(context).hold(0));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.downcast::<LengthLimitError>() {
            Ok(_) => too_large(limit),
            Err(_) => HttpRefusal::bad_request("the body broke off"),
        })?;
        if let Ok(data) = frame.into_data() {
            // As it comes in, so that an announced length alone takes nothing.
            share.grow(data.len() * READ_FACTOR)?;
            read.extend_from_slice(&data);
        }
    }
    app.rate_limiter.spend_bytes(context, read.len())?;
    Ok((read, share))
}

fn too_large(limit: usize) -> HttpRefusal {
    let message = format!("max-body-bytes is {limit}, and this body is larger");
    HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, message).closing_connection()
}
