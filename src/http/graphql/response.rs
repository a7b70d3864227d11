//! Turns the outcome of an operation into an HTTP response.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    graphql::execute::{
        answer::{Answer, refusal_json},
        outcome::{Refusal, RefusalCause},
    },
    http::{
        error_status::{retry_after, status_of_error},
        graphql::media::ResponseMedia,
    },
};

/// The response to an operation that was executed. It is 200 even if fields failed, because the
/// request itself succeeded.
pub(crate) fn executed(media: ResponseMedia, answer: Answer) -> Response {
    media.json(answer.into_json())
}

/// The response to an operation that was not executed.
pub(crate) fn refused(media: ResponseMedia, refusal: &Refusal) -> Response {
    let status = match media {
        ResponseMedia::GraphqlResponse => StatusCode::BAD_REQUEST,
        // With plain JSON, the status reflects HTTP alone.
        ResponseMedia::Json | ResponseMedia::EventStream | ResponseMedia::Multipart => {
            StatusCode::OK
        }
    };
    refused_with(media, status, refusal)
}

/// The response to what was not executed, with this status if the request is the reason.
pub(crate) fn refused_with(
    media: ResponseMedia,
    status: StatusCode,
    refusal: &Refusal,
) -> Response {
    let status = match &refusal.cause {
        RefusalCause::Admission(error) => status_of_error(error),
        RefusalCause::Request | RefusalCause::Interrupted(_) => status,
    };
    let body = media.of_status(status).json(refusal_json(&refusal.errors));
    let mut response = (status, body).into_response();
    if let RefusalCause::Admission(error) = &refusal.cause
        && let Some(after) = retry_after(error)
    {
        response.headers_mut().insert(header::RETRY_AFTER, after);
    }
    response
}
