//! What a transport runs an operation with: one answer, or a stream of them that ends in an error or goes on for ever.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Request, Response, ServerError, Value, parser::types::OperationType};
use futures_util::stream::{BoxStream, StreamExt};

use super::{Api, operation};
use crate::model::id::Position;

/// The outcome of an operation.
pub(crate) enum Outcome {
    /// The answer to a query or a mutation, or to a subscription that was refused before it ran.
    Answer(Response),
    /// A subscription's answers.
    Stream(BoxStream<'static, Update>),
}

/// What a subscription says.
pub(crate) enum Update {
    /// An answer, in JSON.
    Next {
        /// The object with `data` and perhaps `errors`.
        payload: Arc<str>,
        /// Who has this has everything up to this cursor; none in the middle of a snapshot.
        cursor: Option<String>,
    },
    /// The stream ends here, with these errors.
    Failed(Vec<ServerError>),
}

/// Where a stream stands: the resolver's source writes it, whoever takes the answer reads it.
#[derive(Clone, Default)]
pub(super) struct Place(Arc<Mutex<Option<Position>>>);

/// The cursor that a transport resumes from by itself; it takes the place of `after` and `snapshot`.
pub(super) struct Resume(pub(super) Option<String>);

impl Place {
    pub(super) fn set(&self, position: Option<Position>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }

    fn get(&self) -> Option<Position> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing was executed.
pub(crate) fn is_refused(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|e| e.path.is_empty())
}

/// The source of the stream has failed, and not a field of one event.
fn is_failed(response: &Response) -> bool {
    response.data == Value::Null && response.errors.iter().any(|e| e.path.len() <= 1)
}

impl Api {
    /// Runs an operation of any kind; `resume` is a cursor that a transport brings along.
    pub(crate) async fn run(&self, mut request: Request, resume: Option<String>) -> Outcome {
        let name = request.operation_name.clone();
        let is_subscription = request.parsed_query().is_ok_and(|document| {
            operation(document, name.as_deref())
                .is_some_and(|operation| operation.ty == OperationType::Subscription)
        });
        if !is_subscription {
            return Outcome::Answer(self.execute(request).await);
        }
        let place = Place::default();
        let request = request.data(place.clone()).data(Resume(resume));
        let answers = match self.prepare(request).await {
            Ok((request, asked)) => self
                .schema
                .execute_stream(request)
                .map(move |response| asked.finish(response)),
            Err(refusal) => return Outcome::Answer(Response::from_errors(vec![refusal])),
        };
        let feed = self.app.feed.clone();
        Outcome::Stream(
            answers
                .map(move |response| {
                    if is_failed(&response) {
                        return Update::Failed(response.errors);
                    }
                    Update::Next {
                        payload: serde_json::to_string(&response).unwrap_or_default().into(),
                        cursor: place.get().map(|position| feed.cursor(position)),
                    }
                })
                .boxed(),
        )
    }
}
