//! What a transport runs an operation with: one answer, or a stream of them that ends in an error or goes on for ever.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_graphql::{Response, ServerError, Value, parser::types::OperationType};
use asynk_strim::stream_fn;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use crate::{
    auth::request_context::RequestContext,
    domain::{
        error::{Error, ErrorCode},
        id::Position,
    },
    feed::handle::Feed,
    graphql::{
        api::Api,
        execute::errors::{ErrorSigner, from_error},
        lock::lock,
        prepare::operation::PreparedOperation,
        schema::subscription::EventSource,
        subscribe::shared_subscription::Joiner,
    },
    metrics::labels::{OperationLabel, OutcomeLabel},
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
pub(crate) struct EncodedEvent {
    pub(crate) payload: Arc<str>,
    /// Who has this has everything up to here; none in the middle of a snapshot.
    pub(crate) position: Option<Position>,
}

/// Why a stream ends.
pub(crate) type StreamErrors = Vec<ServerError>;

/// Where a stream stands: the resolver's source writes it, whoever takes the answer reads it.
#[derive(Clone, Default)]
pub(crate) struct StreamPosition(Arc<Mutex<Option<Position>>>);

impl StreamPosition {
    pub(crate) fn set(&self, position: Option<Position>) {
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

impl PreparedOperation {
    /// The responses to a subscription as answers, up to the first that is none.
    pub(crate) fn answers<'a>(
        &'a self,
        responses: impl Stream<Item = Response> + 'a,
        place: &'a StreamPosition,
        signature: &'a ErrorSigner,
    ) -> impl Stream<Item = Result<EncodedEvent, StreamErrors>> + 'a {
        let mut form = self.form();
        responses.map(move |response| {
            let mut response = form(response);
            if is_failed(&response) {
                return Err(response.errors);
            }
            signature.sign(&mut response.errors);
            let payload = serde_json::to_string(&response);
            Ok(EncodedEvent {
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
    pub(crate) async fn run(
        &self,
        asked: PreparedOperation,
        context: &RequestContext,
        resume: Option<String>,
    ) -> Outcome {
        if !asked.is(OperationType::Subscription) {
            return Outcome::Answer(Box::new(self.execute(asked, context).await));
        }
        let begun = Instant::now();
        let signature = self.signature(context);
        let refused = |mut errors: Vec<ServerError>| {
            signature.sign(&mut errors);
            let metrics = &self.app.metrics;
            metrics.record_operation(
                OperationLabel::Subscription,
                OutcomeLabel::Refused,
                begun.elapsed(),
            );
            Outcome::refused(errors)
        };
        let counted = match self.app.rate_limiter.acquire_subscription() {
            Ok(counted) => counted,
            Err(refusal) => return refused(vec![from_error(&refusal)]),
        };
        // Held up to here, thousands who come at once take neither all connections nor much memory: whoever joins first
        // makes the others' start one without the database.
        let opening = self.openings.acquire().await;
        let place = StreamPosition::default();
        let asked = Arc::new(asked);
        let joiner = Arc::new(Joiner::new(self, asked.clone(), context));
        let request = self.request(&asked, context).await;
        let request = request.data(EventSource::own(joiner.clone(), resume, place.clone()));
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
                return refused(asked.finish(response).errors);
            }
            first => first,
        };
        let responses = stream::iter(first).chain(own);
        let metrics = &self.app.metrics;
        metrics.record_operation(
            OperationLabel::Subscription,
            OutcomeLabel::Ok,
            begun.elapsed(),
        );
        let held = (signature, counted);
        Outcome::Stream(self.updates(responses, asked, place, joiner, held))
    }

    /// A subscriber's own stream, and behind it what its group hears.
    fn updates(
        &self,
        responses: impl Stream<Item = Response> + Send + 'static,
        asked: Arc<PreparedOperation>,
        place: StreamPosition,
        joiner: Arc<Joiner>,
        (signature, counted): (ErrorSigner, OwnedSemaphorePermit),
    ) -> BoxStream<'static, Update> {
        let feed = self.app.feed.clone();
        stream_fn(move |mut out| async move {
            // As long as it lasts.
            let _counted = counted;
            {
                let mut answers = pin!(asked.answers(responses, &place, &signature));
                while let Some(answer) = answers.next().await {
                    let failed = answer.is_err();
                    let update = Update::of(answer, place.get(), &feed, &signature);
                    out.yield_item(update).await;
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
                out.yield_item(Update::of(answer, at, &feed, &signature))
                    .await;
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
    fn of(
        answer: Result<EncodedEvent, StreamErrors>,
        at: Option<Position>,
        feed: &Feed,
        signature: &ErrorSigner,
    ) -> Self {
        let cursor = at.map(|at| feed.cursor(at));
        let mut errors = match answer {
            Ok(EncodedEvent { payload, .. }) => return Self::Next { payload, cursor },
            Err(errors) => errors,
        };
        signature.sign(&mut errors);
        for error in &mut errors {
            let extensions = error.extensions.get_or_insert_default();
            let is_gone = extensions.get("code") == Some(&ErrorCode::CursorExpired.name().into());
            if let Some(cursor) = cursor.as_deref().filter(|_| !is_gone) {
                extensions.set("cursor", cursor);
            }
        }
        Self::Failed(errors)
    }
}
