//! The task of one shared subscription: executes its operation for each event, once for all
//! members.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::stream::StreamExt;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

use crate::{
    auth::request_context::RequestContext,
    feed::live_events::LiveEvents,
    graphql::{
        api::Api,
        execute::{
            errors::from_error,
            panic_boundary::{catch, catch_stream},
            run_scope::RunScope,
        },
        prepare::operation::PreparedOperation,
        subscribe::{
            encode::StreamErrors, event_source::EventSource,
            shared_subscription::SharedSubscription, stream_state::StreamState,
        },
    },
    memory::MemoryShare,
};

/// The most events that are dispatched together.
const EVENTS_AT_ONCE: usize = 64;
/// The time for each member between two dispatches, so that a socket writes several events at once.
const INTERVAL_PER_MEMBER: Duration = Duration::from_micros(10);
/// A shorter interval is not kept.
const MIN_INTERVAL: Duration = Duration::from_millis(1);
/// A longer interval is cut to this where the processors have time.
const MAX_INTERVAL: Duration = Duration::from_millis(10);
/// How many times as long as a dispatch takes the interval is at least, and how long that may be:
/// the busier the processors are, the more events are written at once.
const BUSY_FACTOR: u32 = 2;
const MAX_BUSY_INTERVAL: Duration = Duration::from_millis(40);

/// The task's state.
pub(crate) struct SharedRun {
    pub(crate) api: Api,
    pub(crate) context: RequestContext,
    pub(crate) operation: Arc<PreparedOperation>,
    pub(crate) subscription: Arc<SharedSubscription>,
    /// That of the operation and of an answer.
    pub(crate) _memory: Arc<MemoryShare>,
}

impl SharedRun {
    /// Runs until the last member has left or the source fails.
    pub(crate) async fn until_nobody_is_left(self, events: LiveEvents) {
        let work = catch(self.run(events));
        let ended = self.subscription.gone.run_until_cancelled(work).await;
        let errors = match ended {
            // Cancelled: the subscription is already forgotten, or the server stops.
            None => return,
            Some(Ok(errors)) => errors,
            Some(Err(panic)) => vec![from_error(&panic)],
        };
        self.api.subscriptions.end(&self.subscription, &errors);
    }

    /// Starts a stream whenever events arrive; returns the errors that end the subscription.
    async fn run(&self, events: LiveEvents) -> StreamErrors {
        let events = Arc::new(Mutex::new(events));
        loop {
            // Without events there is no stream, which would take many times the memory.
            events.lock().await.wait().await;
            let streaming = self.stream(events.clone());
            // Boxed, so that the waiting task does not reserve memory for it.
            if let Some(errors) = Box::pin(streaming).await {
                return errors;
            }
        }
    }

    /// Dispatches events until none comes for a while; returns the errors of a failed source.
    async fn stream(&self, events: Arc<Mutex<LiveEvents>>) -> Option<StreamErrors> {
        let state = StreamState::default();
        let (operation, context) = (&self.operation, &self.context);
        let scope = RunScope::new(self.api.app(), context);
        let request = match self.api.library_request(operation, context, &scope).await {
            Ok(request) => request,
            Err(error) => return Some(vec![from_error(&error)]),
        };
        let request = request.data(EventSource::shared(events, state.clone()));
        let responses = catch_stream(self.api.schema.execute_stream(request));
        let signer = self.api.error_signer(context);
        let (types, memory) = (&self.api.types, &self.api.app.memory);
        let max = self.api.app.config.limit.max_text_bytes;
        let encoded = operation.encode_responses(responses, types, &state, &signer, memory, max);
        let mut encoded = pin!(encoded.ready_chunks(EVENTS_AT_ONCE));
        while let Some(ready) = encoded.next().await {
            let begun = Instant::now();
            let mut errors = None;
            let events = ready.into_iter();
            // The events before an error are still dispatched.
            let events = events.map_while(|event| event.map_err(|e| errors = Some(e)).ok());
            let events: Vec<_> = events.collect();
            self.subscription.dispatch(&events).await;
            if errors.is_some() {
                return errors;
            }
            self.keep_interval(begun).await;
        }
        None
    }

    /// Waits for the rest of the interval in which a dispatch has begun and just ended.
    async fn keep_interval(&self, begun: Instant) {
        let members = u32::try_from(self.subscription.member_count()).unwrap_or(u32::MAX);
        let interval = INTERVAL_PER_MEMBER.saturating_mul(members);
        if interval < MIN_INTERVAL {
            return;
        }
        let busy = begun.elapsed().saturating_mul(BUSY_FACTOR);
        let interval = interval.min(MAX_INTERVAL).max(busy.min(MAX_BUSY_INTERVAL));
        sleep_until(begun + interval).await;
    }
}
