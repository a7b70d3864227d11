//! Batches: a JSON array of operations, which are judged together, run one after another, and
//! answered by an array in their order.

use std::sync::Arc;

use async_graphql::ServerError;
use axum::{http::StatusCode, response::Response};
use serde_json::Value as Json;

use crate::{
    auth::request_context::RequestContext,
    domain::error::Error,
    graphql::{
        api::Api,
        execute::{
            errors::from_error,
            outcome::{Outcome, Refusal},
        },
        prepare::{documents::OperationRequest, operation::PreparedOperation},
    },
    http::graphql::{
        media::ResponseMedia, refusal::HttpRefusal, request::from_json, response::refused_with,
    },
    memory::{
        MemoryShare,
        answer_bytes::{answer_too_large, max_answer_bytes},
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
    let mut answers = Answers::new(api, context);
    for operation in prepared {
        let outcome = match answers.check() {
            Ok(()) => run(api, context, operation).await,
            Err(error) => {
                Outcome::Refused(api.error_signer(context).signed(from_error(&error)).into())
            }
        };
        answers.push(outcome);
    }
    // Each answer tells how its own operation fared; the status is that of the batch.
    Ok(media.json(answers.into_json()))
}

/// The answers so far, as the JSON array that they become: an answer as it was made takes far more.
struct Answers {
    json: Vec<u8>,
    memory: MemoryShare,
    max_text_bytes: u64,
}

impl Answers {
    fn new(api: &Api, context: &RequestContext) -> Self {
        let app = api.app();
        Self {
            json: Vec::new(),
            memory: app.rate_limiter.memory(context).hold(0),
            max_text_bytes: app.config.limit.max_text_bytes,
        }
    }

    /// Whether another may be added. One operation alone has the same limit.
    fn check(&self) -> Result<(), Error> {
        if self.json.len() <= max_answer_bytes(self.max_text_bytes) {
            return Ok(());
        }
        Err(answer_too_large(self.max_text_bytes))
    }

    fn push(&mut self, outcome: Outcome) {
        let Some(mut answer) = outcome.into_json() else {
            return;
        };
        self.json
            .push(if self.json.is_empty() { b'[' } else { b',' });
        self.json.append(&mut answer);
        self.memory.resize(self.json.len());
    }

    fn into_json(mut self) -> Vec<u8> {
        self.json.push(b']');
        self.json
    }
}

/// Runs one operation; a subscription is refused.
async fn run(
    api: &Api,
    context: &RequestContext,
    prepared: Result<Arc<PreparedOperation>, Refusal>,
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
