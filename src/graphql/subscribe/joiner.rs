//! Joins a subscriber to the shared subscription for its operation, and opens it if there is none.

use std::sync::Arc;

use async_graphql::{PathSegment, ServerError};
use parking_lot::Mutex;

use crate::{
    auth::request_context::RequestContext,
    domain::{
        bookmark::Bookmark,
        error::{Error, Result},
        id::Position,
    },
    feed::{byte_queue, event_filter::EventFilter, snapshot::Payer},
    graphql::{
        api::Api,
        execute::errors::from_error,
        prepare::operation::PreparedOperation,
        subscribe::{
            event_source::Handoff,
            group_key::GroupKey,
            shared_run::SharedRun,
            shared_subscription::{Membership, SharedSubscription},
        },
    },
    memory::MemoryShare,
    metrics::gauge_guard::GaugeGuard,
    rate_limit::limiter::Opening,
};

/// Joins one subscriber to its shared subscription, once.
pub(crate) struct Joiner {
    api: Api,
    key: Arc<GroupKey>,
    operation: Arc<PreparedOperation>,
    /// The opener's context serves all members, whose scope is the same. It has no request id: that
    /// would be the id of one of many.
    context: RequestContext,
    /// That of the operation and of an answer.
    memory: Arc<MemoryShare>,
    /// Set by `join`, inside the library; taken by the subscriber's stream.
    membership: Mutex<Option<Membership>>,
    /// The permit to start.
    opening: Mutex<Option<Opening>>,
}

impl Joiner {
    pub(crate) fn new(
        api: &Api,
        key: GroupKey,
        operation: Arc<PreparedOperation>,
        context: &RequestContext,
        memory: MemoryShare,
        opening: Option<Opening>,
    ) -> Self {
        Self {
            key: Arc::new(key),
            api: api.clone(),
            operation,
            context: RequestContext {
                request_id: Arc::from(""),
                ..context.clone()
            },
            memory: Arc::new(memory),
            membership: Mutex::default(),
            opening: Mutex::new(opening),
        }
    }

    /// What so many events cost.
    fn points(&self, events: u64) -> u64 {
        events.saturating_mul(self.operation.cost.objects)
    }

    /// The membership, once the subscriber's own stream has joined and ended.
    pub(crate) fn take_membership(&self) -> Option<Membership> {
        self.membership.lock().take()
    }

    /// Opens a shared subscription to the events after `read`, and spawns its task.
    fn open(&self, filter: &EventFilter, read: Bookmark) -> Arc<SharedSubscription> {
        let app = self.api.app();
        let events = app.feed.subscribe(filter.clone(), read);
        let subscription = Arc::new(SharedSubscription::new(
            self.key.clone(),
            events.delivered().position,
            self.lagged(),
            app.metrics.feed_lagged.clone(),
            // A child: it ends with the server, and cancelling it leaves the server running.
            app.stop.child_token(),
        ));
        let run = SharedRun {
            api: self.api.clone(),
            context: self.context.clone(),
            operation: self.operation.clone(),
            subscription: subscription.clone(),
            _memory: self.memory.clone(),
        };
        app.tasks.spawn(run.until_nobody_is_left(events));
        subscription
    }

    /// The error for a member that reads too slowly.
    fn lagged(&self) -> ServerError {
        let mut error = from_error(&Error::FeedLagged);
        // The library did not make this error, so nothing else sets its path.
        if let Some(field) = self.operation.root_fields().next() {
            let key = field.node.response_key().node.to_string();
            error.path.push(PathSegment::Field(key));
        }
        error
    }
}

impl Payer for Joiner {
    fn spend(&self, events: u64) -> Result<()> {
        let limiter = &self.api.app().rate_limiter;
        let Some(status) = limiter.status(&self.context) else {
            return Ok(());
        };
        // The operation has paid for one event, and a bucket is enough for anything.
        let points = self.points(events.saturating_sub(1)).min(status.max);
        // It has paid for its statements too, so the bucket may not be full: half of one will do.
        let first = points.min(status.max / 2);
        limiter.spend(&self.context, first)?;
        limiter.charge(&self.context, points - first);
        Ok(())
    }

    fn charge(&self, events: u64) {
        let points = self.points(events);
        self.api.app().rate_limiter.charge(&self.context, points);
    }

    fn let_others_begin(&self) {
        self.opening.lock().take();
    }
}

impl Handoff for Joiner {
    fn join(&self, filter: &EventFilter, read: Bookmark) -> Position {
        let app = self.api.app();
        let (membership, live_from) = self.api.subscriptions.join(
            &self.key,
            byte_queue::queue(app.config.feed.feed_queue_bytes, &app.memory),
            GaugeGuard::new(&app.metrics.feed_subscribers),
            || self.open(filter, read),
        );
        *self.membership.lock() = Some(membership);
        live_from
    }
}
