//! What a transport runs an operation with: one answer, or a stream of them that ends in an error or goes on for ever.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_graphql::{Response, ServerError, Value, parser::types::OperationType};
use asynk_strim::stream_fn;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use tokio::time::timeout;

use super::{
    Api, Asked,
    error::from_error,
    group::{Joiner, lock},
    subscription::Source,
};
use crate::{
    auth::Call,
    error::{Code, Error},
    feed::Feed,
    model::id::Position,
};

/// How long a subscription may hold a place among those that begin.
const OPENING: Duration = Duration::from_secs(1);

/// The outcome of an operation.
pub(crate) enum Outcome {
    /// The answer to a query or a mutation, or to a subscription that was refused before it ran.
    Answer(Box<Response>),
    /// A subscription's answers.
    Stream(BoxStream<'static, Update>),
}

impl Outcome {
    /// Nothing was executed: the errors are the request's, not a field's.
    pub(crate) fn refused(mut errors: Vec<ServerError>) -> Self {
        for error in &mut errors {
            error.path.clear();
        }
        Self::Answer(Box::new(Response::from_errors(errors)))
    }
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

/// One answer of a stream, in JSON.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) payload: Arc<str>,
    /// Who has this has everything up to here; none in the middle of a snapshot.
    pub(super) position: Option<Position>,
}

/// Why a stream ends.
pub(super) type Failure = Vec<ServerError>;

/// Where a stream stands: the resolver's source writes it, whoever takes the answer reads it.
#[derive(Clone, Default)]
pub(super) struct Place(Arc<Mutex<Option<Position>>>);

impl Place {
    pub(super) fn set(&self, position: Option<Position>) {
        *lock(&self.0) = position;
    }

    fn get(&self) -> Option<Position> {
        *lock(&self.0)
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

impl Asked {
    /// The responses to a subscription as answers, up to the first that is none.
    pub(super) fn answers<'a>(
        &'a self,
        responses: impl Stream<Item = Response> + 'a,
        place: &'a Place,
    ) -> impl Stream<Item = Result<Answer, Failure>> + 'a {
        let mut form = self.form();
        responses.map(move |response| {
            let response = form(response);
            if is_failed(&response) {
                return Err(response.errors);
            }
            let payload = serde_json::to_string(&response);
            Ok(Answer {
                payload: payload
                    .map_err(|error| vec![from_error(&Error::internal(error))])?
                    .into(),
                position: place.get(),
            })
        })
    }
}

impl Api {
    /// Runs an operation of any kind; `resume` is a cursor that a transport brings along, in place of `after` and `snapshot`.
    pub(crate) async fn run(&self, asked: Asked, call: &Call, resume: Option<String>) -> Outcome {
        if !asked.is(OperationType::Subscription) {
            return Outcome::Answer(Box::new(self.execute(asked, call).await));
        }
        // Held up to here, thousands who come at once take neither all connections nor much memory: whoever joins first
        // makes the others' start one without the database.
        let opening = self.openings.acquire().await;
        let place = Place::default();
        let asked = Arc::new(asked);
        let joiner = Arc::new(Joiner::new(self, asked.clone(), call));
        let request = self.request(&asked, call).await;
        let request = request.data(Source::own(joiner.clone(), resume, place.clone()));
        let mut own = self.schema.execute_stream(request).fuse();
        // What is refused is refused as the first answer. Who has none waiting joins, which ends this stream.
        let first = if let Ok(first) = timeout(OPENING, own.next()).await {
            first
        } else {
            // It reads through much that does not match.
            drop(opening);
            own.next().await
        };
        let first = match first {
            Some(response) if is_failed(&response) => {
                return Outcome::refused(asked.finish(response).errors);
            }
            first => first,
        };
        let responses = stream::iter(first).chain(own);
        Outcome::Stream(self.updates(responses, asked, place, joiner))
    }

    /// A subscriber's own stream, and behind it what its group hears.
    fn updates(
        &self,
        responses: impl Stream<Item = Response> + Send + 'static,
        asked: Arc<Asked>,
        place: Place,
        joiner: Arc<Joiner>,
    ) -> BoxStream<'static, Update> {
        let feed = self.app.feed.clone();
        stream_fn(move |mut out| async move {
            {
                let mut answers = pin!(asked.answers(responses, &place));
                while let Some(answer) = answers.next().await {
                    let failed = answer.is_err();
                    out.yield_item(Update::of(answer, place.get(), &feed)).await;
                    if failed {
                        return;
                    }
                }
            }
            // Who only waits holds nothing but a queue.
            drop(asked);
            let Some(mut membership) = joiner.joined() else {
                return;
            };
            drop(joiner);
            let mut at = place.get();
            loop {
                let answer = membership.next().await;
                match &answer {
                    // It was replayed already.
                    Ok(answer) if answer.position <= at => continue,
                    Ok(answer) => at = answer.position,
                    Err(_) => {}
                }
                let failed = answer.is_err();
                out.yield_item(Update::of(answer, at, &feed)).await;
                if failed {
                    return;
                }
            }
        })
        .boxed()
    }
}

impl Update {
    /// `at` is up to where the subscriber has everything.
    fn of(answer: Result<Answer, Failure>, at: Option<Position>, feed: &Feed) -> Self {
        let cursor = at.map(|at| feed.cursor(at));
        let mut errors = match answer {
            Ok(Answer { payload, .. }) => return Self::Next { payload, cursor },
            Err(errors) => errors,
        };
        for error in &mut errors {
            let extensions = error.extensions.get_or_insert_default();
            let is_gone = extensions.get("code") == Some(&Code::CursorExpired.name().into());
            if let Some(cursor) = cursor.as_deref().filter(|_| !is_gone) {
                extensions.set("cursor", cursor);
            }
        }
        Self::Failed(errors)
    }
}
