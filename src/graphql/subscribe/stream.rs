//! Runs an operation of any kind; for a subscription, its stream from the first event to the last.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use async_graphql::{Response, ServerError};
use asynk_strim::stream_fn;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use tokio::time::timeout;

use crate::{
    auth::request_context::RequestContext,
    domain::{
        bookmark::Bookmark,
        error::{Error, ErrorCode, Result},
    },
    feed::{handle::Feed, snapshot::Payer},
    graphql::{
        api::Api,
        execute::{
            errors::{ErrorSigner, classify, from_error},
            outcome::{Interruption, Outcome, Refusal, RefusalCause, Update},
            panic_boundary::catch_stream,
            run_scope::RunScope,
        },
        prepare::{operation::PreparedOperation, type_system::TypeSystem},
        subscribe::{
            encode::{EncodedEvent, StreamErrors},
            event_source::EventSource,
            group_key::GroupKey,
            joiner::Joiner,
            stream_state::StreamState,
        },
    },
    memory::MemoryBudget,
    metrics::labels::{OperationLabel, OutcomeLabel},
    rate_limit::limiter::SubscriptionPermit,
};

/// How long a subscription may hold a permit to start.
const OPENING: Duration = Duration::from_secs(1);

impl Api {
    /// Runs an operation of any kind. `resume` is a cursor from the transport; it overrides the
    /// arguments `after` and `snapshot`.
    pub(crate) async fn run(
        &self,
        operation: Arc<PreparedOperation>,
        context: &RequestContext,
        resume: Option<String>,
    ) -> Outcome {
        if !operation.is_subscription() {
            return self.execute(operation, context).await;
        }
        let begun = Instant::now();
        let (outcome, label) = match self.subscribe(operation, context, resume).await {
            Ok(updates) => (Outcome::Stream(updates), OutcomeLabel::Ok),
            Err(mut refusal) => {
                self.error_signer(context).sign(&mut refusal.errors);
                (Outcome::Refused(refusal), OutcomeLabel::Refused)
            }
        };
        let (metrics, kind) = (&self.app.metrics, OperationLabel::Subscription);
        metrics.record_operation(kind, label, begun.elapsed());
        outcome
    }

    /// Starts a subscription: its own stream first, then the shared one.
    async fn subscribe(
        &self,
        operation: Arc<PreparedOperation>,
        context: &RequestContext,
        resume: Option<String>,
    ) -> Result<BoxStream<'static, Update>, Refusal> {
        let permit = self.app.rate_limiter.acquire_subscription(context);
        let permit = permit.map_err(Refusal::admission)?;
        // Bounds the connections and the memory that simultaneous starts take.
        let opening = self.app.rate_limiter.acquire_opening(context).await;
        // Only now: a thousand that reconnect at once wait for each other without a deadline.
        let scope = RunScope::new(&self.app, context);
        let state = StreamState::default();
        let key = GroupKey::new(&operation, &context.caller);
        let memory = self.app.rate_limiter.memory(context);
        let memory = memory.reserve(key.bytes() + operation.answer_bytes());
        let memory = memory.map_err(Refusal::admission)?;
        let joiner = Joiner::new(self, key, operation.clone(), context, memory, opening);
        let joiner = Arc::new(joiner);
        let request = self.library_request(&operation, context, &scope).await;
        let request = request.map_err(|error| Refusal::from(from_error(&error)))?;
        let request = request.data(EventSource::own(joiner.clone(), resume, state.clone()));
        let own = catch_stream(self.schema.execute_stream(request));
        // Fused, since `first` may be its end, and it is polled again below.
        let mut own = own.boxed().fuse();
        // A refusal is the first response. Without an event waiting, the stream joins and ends.
        let first = if let Ok(first) = timeout(OPENING, own.next()).await {
            first
        } else {
            // It reads many events that do not match; others need not wait for that.
            joiner.let_others_begin();
            own.next().await
        };
        joiner.let_others_begin();
        if let Some(refusal) = refusal(first.as_ref(), &state) {
            return Err(resumable(refusal, &state, &self.app.feed));
        }
        let updates = SubscriptionUpdates {
            types: self.types.clone(),
            feed: self.app.feed.clone(),
            signer: self.error_signer(context),
            memory: self.app.memory.clone(),
            max_text_bytes: self.app.config.limit.max_text_bytes,
        };
        let opened = Opened {
            state,
            joiner,
            _permit: permit,
        };
        let responses = stream::iter(first).chain(own);
        Ok(updates.stream(opened, operation, responses))
    }
}

/// The refusal in a stream's first response; `None` if the stream has begun.
fn refusal(first: Option<&Result<Response>>, state: &StreamState) -> Option<Refusal> {
    let response = match first? {
        Err(panic) => return Some(from_error(panic).into()),
        Ok(_) if state.is_open() => return None,
        Ok(response) => response,
    };
    let mut errors = response.errors.clone();
    classify(&mut errors, ErrorCode::BadUserInput.into());
    Some(Refusal::request(errors))
}

/// Tells a client whose subscription cannot begin for now where to begin later. One that resumes
/// is to try again by itself; one that begins is told why it cannot.
fn resumable(mut refusal: Refusal, state: &StreamState, feed: &Feed) -> Refusal {
    let Some(code) = interruption_code(&refusal.errors) else {
        return refusal;
    };
    let resume = state.resume();
    let newest = || feed.newest_seen().map(|newest| feed.cursor(newest));
    if let Some(cursor) = resume.clone().or_else(newest) {
        set_cursor(&mut refusal.errors, &cursor);
    }
    if let Some(cursor) = resume {
        let cursor = Some(cursor);
        refusal.cause = RefusalCause::Interrupted(Interruption { code, cursor });
    }
    refusal
}

/// The code of errors that only interrupt a subscription.
fn interruption_code(errors: &[ServerError]) -> Option<ErrorCode> {
    errors.iter().find_map(|error| {
        let error = error.source::<Error>()?;
        let code = error.code();
        let interrupts = matches!(
            code,
            ErrorCode::Unavailable | ErrorCode::FeedLagged | ErrorCode::FeedDetached
        );
        // The same snapshot would only be too slow again, and other operations of a socket go on
        // while one noun is not recorded.
        let is_final = matches!(error, Error::SnapshotLagged(_) | Error::NotRecorded(_));
        (interrupts && !is_final).then_some(code)
    })
}

/// Says where to resume.
fn set_cursor(errors: &mut [ServerError], cursor: &str) {
    for error in errors {
        let extensions = error.extensions.get_or_insert_default();
        extensions.set("cursor", cursor);
    }
}

/// What a subscription holds while it lasts.
struct Opened {
    state: StreamState,
    joiner: Arc<Joiner>,
    /// Counts the subscription towards `--max-subscriptions` and `--max-subscriptions-per-caller`.
    _permit: SubscriptionPermit,
}

/// Makes the updates of one subscriber.
struct SubscriptionUpdates {
    types: TypeSystem,
    feed: Feed,
    signer: ErrorSigner,
    memory: MemoryBudget,
    max_text_bytes: u64,
}

impl SubscriptionUpdates {
    /// The subscriber's own stream, then the shared one.
    fn stream(
        self,
        opened: Opened,
        operation: Arc<PreparedOperation>,
        responses: impl Stream<Item = Result<Response>> + Send + 'static,
    ) -> BoxStream<'static, Update> {
        stream_fn(move |mut out| async move {
            let Opened {
                state,
                joiner,
                _permit,
            } = opened;
            {
                // In a scope of its own, since it borrows the operation.
                let own = operation.encode_responses(
                    responses,
                    &self.types,
                    &state,
                    &self.signer,
                    &self.memory,
                    self.max_text_bytes,
                );
                let mut own = pin!(own);
                while let Some(event) = own.next().await {
                    let is_last = event.is_err();
                    let delivered = match &event {
                        Ok(event) => event.bookmark,
                        Err(_) => state.delivered(),
                    };
                    out.yield_item(self.update(event, delivered)).await;
                    if is_last {
                        return;
                    }
                }
            }
            // A waiting member holds nothing but its queue.
            drop(operation);
            let membership = joiner.take_membership();
            drop(joiner);
            let Some(mut membership) = membership else {
                return;
            };
            let position = |bookmark: Option<Bookmark>| bookmark.map(|at| at.position);
            let mut delivered = state.delivered();
            loop {
                let event = membership.next().await;
                match &event {
                    // The backfill has delivered it.
                    Ok(event) if position(event.bookmark) <= position(delivered) => continue,
                    Ok(event) => delivered = event.bookmark,
                    Err(_) => {}
                }
                let is_last = event.is_err();
                out.yield_item(self.update(event, delivered)).await;
                if is_last {
                    return;
                }
            }
        })
        .boxed()
    }

    /// The update for an event or a failure. The subscriber has everything up to `delivered`.
    fn update(
        &self,
        event: Result<EncodedEvent, StreamErrors>,
        delivered: Option<Bookmark>,
    ) -> Update {
        // Without a feed, nothing can be resumed.
        let delivered = delivered.filter(|_| self.feed.is_attached());
        let cursor = delivered.map(|bookmark| self.feed.cursor(bookmark));
        let mut errors = match event {
            Ok(EncodedEvent { payload, .. }) => return Update::Next { payload, cursor },
            Err(errors) => errors,
        };
        self.signer.sign(&mut errors);
        let is_expired =
            |e: &ServerError| matches!(e.source::<Error>(), Some(Error::CursorExpired(_)));
        // Resuming from an expired cursor would only fail again.
        if let Some(cursor) = cursor.as_deref()
            && !errors.iter().any(is_expired)
        {
            set_cursor(&mut errors, cursor);
        }
        match interruption_code(&errors) {
            Some(code) => Update::Interrupted(errors, Interruption { code, cursor }),
            None => Update::Failed(errors),
        }
    }
}
