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
        },
        prepare::operation::PreparedOperation,
        schema::root::ExecutionBegun,
        subscribe::{
            encode::StreamErrors, event_source::EventSource,
            shared_subscription::SharedSubscription, stream_state::StreamState,
        },
    },
};

/// How many events are dispatched together at most.
const EVENTS_AT_ONCE: usize = 64;
/// Dispatches to many members keep an interval, so that several events go out in one write: so
/// long for each member, …
const INTERVAL_PER_MEMBER: Duration = Duration::from_micros(30);
/// … not below this …
const MIN_INTERVAL: Duration = Duration::from_millis(1);
/// … and not above this.
const MAX_INTERVAL: Duration = Duration::from_millis(30);

/// What the task runs with.
pub(crate) struct SharedRun {
    pub(crate) api: Api,
    pub(crate) context: RequestContext,
    pub(crate) operation: Arc<PreparedOperation>,
    pub(crate) subscription: Arc<SharedSubscription>,
}

impl SharedRun {
    /// Runs until the last member has left, or there is nothing more to send.
    pub(crate) async fn until_nobody_is_left(self, events: LiveEvents) {
        let work = catch(self.run(events));
        let ended = self.subscription.gone.run_until_cancelled(work).await;
        let errors = match ended {
            None => return,
            Some(Ok(errors)) => errors,
            Some(Err(panic)) => vec![from_error(&panic)],
        };
        self.api.subscriptions.end(&self.subscription, &errors);
    }

    /// Streams events whenever there are some; returns why there is nothing more.
    async fn run(&self, events: LiveEvents) -> StreamErrors {
        let events = Arc::new(Mutex::new(events));
        loop {
            // While nothing happens there is no stream: it would take many times the memory.
            events.lock().await.wait().await;
            let streaming = self.stream(events.clone());
            if let Some(errors) = Box::pin(streaming).await {
                return errors;
            }
        }
    }

    /// Dispatches events until there is none for a while; returns why there is no more, if so.
    async fn stream(&self, events: Arc<Mutex<LiveEvents>>) -> Option<StreamErrors> {
        let (state, begun) = (StreamState::default(), ExecutionBegun::default());
        let (operation, context) = (&self.operation, &self.context);
        let request = self.api.library_request(operation, context, &begun).await;
        let request = request.data(EventSource::shared(events, state.clone()));
        let responses = catch_stream(self.api.schema.execute_stream(request));
        let signer = self.api.error_signer(context);
        let encoded = operation.encode_responses(responses, &state, &signer);
        let mut encoded = pin!(encoded.ready_chunks(EVENTS_AT_ONCE));
        while let Some(ready) = encoded.next().await {
            let begun = Instant::now();
            let mut errors = None;
            let events = ready.into_iter();
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

    async fn keep_interval(&self, begun: Instant) {
        let members = u32::try_from(self.subscription.member_count()).unwrap_or(u32::MAX);
        let interval = INTERVAL_PER_MEMBER.saturating_mul(members);
        if interval >= MIN_INTERVAL {
            sleep_until(begun + interval.min(MAX_INTERVAL)).await;
        }
    }
}
