//! A subscriber's way into the shared subscription of those who ask the same.

use std::sync::Arc;

use async_graphql::{PathSegment, ServerError};
use parking_lot::Mutex;

use crate::{
    auth::request_context::RequestContext,
    domain::{error::Error, id::Position},
    feed::event_filter::EventFilter,
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
    metrics::gauge_guard::GaugeGuard,
};

/// Joins a subscriber to those who ask the same, once.
pub(crate) struct Joiner {
    api: Api,
    key: Arc<GroupKey>,
    operation: Arc<PreparedOperation>,
    /// Whoever opens a shared subscription stands for all its members, who may do the same. It has
    /// no request id, which would be the id of one of many.
    context: RequestContext,
    membership: Mutex<Option<Membership>>,
}

impl Joiner {
    pub(crate) fn new(
        api: &Api,
        operation: Arc<PreparedOperation>,
        context: &RequestContext,
    ) -> Self {
        Self {
            key: Arc::new(GroupKey::new(&operation, &context.caller)),
            api: api.clone(),
            operation,
            context: RequestContext {
                request_id: Arc::from(""),
                ..context.clone()
            },
            membership: Mutex::default(),
        }
    }

    /// The membership, once the subscriber's own stream has ended with joining.
    pub(crate) fn take_membership(&self) -> Option<Membership> {
        self.membership.lock().take()
    }

    /// Opens a shared subscription behind a position, and runs it until nobody is left.
    fn open(&self, filter: &EventFilter, read: Position) -> Arc<SharedSubscription> {
        let app = self.api.app();
        let events = app.feed.subscribe(filter.clone(), read);
        let subscription = Arc::new(SharedSubscription::new(
            self.key.clone(),
            events.delivered(),
            self.lagged(),
            app.metrics.feed_lagged.clone(),
            app.stop.child_token(),
        ));
        let run = SharedRun {
            api: self.api.clone(),
            context: self.context.clone(),
            operation: self.operation.clone(),
            subscription: subscription.clone(),
        };
        app.tasks.spawn(run.until_nobody_is_left(events));
        subscription
    }

    /// What a member is sent that reads too slowly.
    fn lagged(&self) -> ServerError {
        let mut error = from_error(&Error::FeedLagged);
        if let Some(field) = self.operation.root_field() {
            let key = field.node.response_key().node.to_string();
            error.path.push(PathSegment::Field(key));
            error.locations.push(field.pos);
        }
        error
    }
}

impl Handoff for Joiner {
    fn join(&self, filter: &EventFilter, read: Position) -> Position {
        let app = self.api.app();
        let (membership, live_from) = self.api.subscriptions.join(
            &self.key,
            app.config.feed.feed_queue_bytes,
            GaugeGuard::new(&app.metrics.feed_subscribers),
            || self.open(filter, read),
        );
        *self.membership.lock() = Some(membership);
        live_from
    }
}
