//! Reads a request's body, which must be uncompressed JSON, within a size and a time limit.

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, StatusCode, header},
};
use mime::Mime;
use tokio::time::timeout;

use crate::{config::Config, http::graphql::refusal::HttpRefusal};

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

/// Reads the whole body.
///
/// # Errors
/// 413 if it is too large, 408 if it takes too long, 400 if the client breaks off.
pub(crate) async fn read(
    body: Body,
    headers: &HeaderMap,
    config: &Config,
) -> Result<Bytes, HttpRefusal> {
    let limit = config.http.max_body_bytes;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    // Refused on its head alone: the client need not send the body first.
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let read = timeout(config.connection.read_timeout(), to_bytes(body, limit)).await;
    let Ok(read) = read else {
        let seconds = config.connection.read_timeout_seconds;
        let message =
            format!("read-timeout-seconds is {seconds}, and the body was not all there by then");
        return Err(HttpRefusal::new(StatusCode::REQUEST_TIMEOUT, message).closing_connection());
    };
    read.map_err(|error| {
        // axum wraps the body's errors, so the limit's is found among the sources.
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            if error.is::<http_body_util::LengthLimitError>() {
                return too_large(limit);
            }
            cause = error.source();
        }
        HttpRefusal::bad_request("the body broke off")
    })
}

fn too_large(limit: usize) -> HttpRefusal {
    let message = format!("max-body-bytes is {limit}, and this body is larger");
    HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, message).closing_connection()
}
