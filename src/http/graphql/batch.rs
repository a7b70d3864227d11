//! Batches: a JSON array of operations, which are judged together, run one after another, and
//! answered by an array in their order.

use async_graphql::ServerError;
use axum::{http::StatusCode, response::Response};
use serde_json::Value as Json;

use crate::{
    auth::request_context::RequestContext,
    domain::error::Error,
    graphql::{
        api::Api,
        execute::outcome::{Outcome, Refusal},
        prepare::{documents::OperationRequest, operation::PreparedOperation},
    },
    http::graphql::{
        media::ResponseMedia, refusal::HttpRefusal, request::from_json, response::refused_with,
        response_body::ResponseBody,
    },
};

/// Answers a batch. An operation that is wrong answers its error in its place.
pub(crate) async fn respond(
    api: &Api,
    context: &RequestContext,
    media: ResponseMedia,
    batch: Vec<Json>,
) -> Result<Response, HttpRefusal> {
    if media.encoding().is_some() {
        let message = "Accept: a batch is answered as JSON alone";
        return Err(HttpRefusal::new(StatusCode::NOT_ACCEPTABLE, message));
    }
    check_length(batch.len(), api.app().config.limit.max_batch)?;
    let requests = batch.into_iter().map(from_element).collect();
    let prepared = match api.prepare_batch(requests, context) {
        Ok(prepared) => prepared,
        Err(refusal) => return Ok(refused_with(media, StatusCode::BAD_REQUEST, &refusal)),
    };
    let mut outcomes = Vec::with_capacity(prepared.len());
    for operation in prepared {
        outcomes.push(run(api, context, operation).await);
    }
    let bodies: Vec<_> = outcomes.iter().filter_map(ResponseBody::of).collect();
    // Each answer tells how its own operation fared; the status is that of the batch.
    Ok(media.json(&bodies))
}

/// Runs one operation; a subscription is refused.
async fn run(
    api: &Api,
    context: &RequestContext,
    prepared: Result<PreparedOperation, Refusal>,
) -> Outcome {
    match prepared {
        Ok(operation) => api.execute(operation, context).await,
        Err(refusal) => Outcome::Refused(refusal),
    }
}

fn from_element(element: Json) -> Result<OperationRequest, ServerError> {
    from_json(element).map_err(HttpRefusal::into_error)
}

fn check_length(length: usize, max: usize) -> Result<(), HttpRefusal> {
    match length {
        _ if max == 0 => Err(HttpRefusal::bad_request(
            "one operation in a JSON object: max-batch is 0, so batches are not taken",
        )),
        0 => Err(HttpRefusal::bad_request(format!(
            "a batch has 1 to {max} operations, got 0"
        ))),
        _ if length > max => Err(HttpRefusal::from_error(
            StatusCode::BAD_REQUEST,
            &Error::LimitExceeded {
                limit: "max-batch",
                max: max as u64,
                asked: Some(length as u64),
                advice: "send fewer operations at once",
            },
        )),
        _ => Ok(()),
    }
}
