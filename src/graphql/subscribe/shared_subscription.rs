//! Groups of subscribers with the same operation, which is executed and encoded once for all.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_graphql::ServerError;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::id::Position,
    feed::byte_queue,
    graphql::subscribe::{
        encode::{EncodedEvent, StreamErrors},
        group_key::GroupKey,
    },
    metrics::gauge_guard::GaugeGuard,
};

/// How many members get their events before other tasks have a turn.
const MEMBERS_AT_ONCE: usize = 64;

type EventSender = byte_queue::Sender<EncodedEvent, StreamErrors>;
type Registry = HashMap<Arc<GroupKey>, Arc<SharedSubscription>>;

/// The shared subscriptions of a server. Cheap to clone.
///
/// Its lock is taken before a subscription's own. While it is held, nobody can join.
#[derive(Clone, Default)]
pub(crate) struct SharedSubscriptions(Arc<Mutex<Registry>>);

/// One operation that is executed for all its members.
pub(crate) struct SharedSubscription {
    key: Arc<GroupKey>,
    members: Mutex<Members>,
    /// The error for a member that reads too slowly.
    lagged: ServerError,
    /// Counts the members, of all shared subscriptions, that got this error.
    lagged_members: Counter,
    /// Cancelled when the last member has left, or the server stops.
    pub(crate) gone: CancellationToken,
}

struct Members {
    /// Ordered, so that a dispatch can release the lock and go on after an id.
    queues: BTreeMap<u64, EventSender>,
    /// Only grows: a member that joins during a dispatch is still to come.
    next_id: u64,
    /// Everything up to here has been dispatched to the members.
    dispatched: Position,
}

/// A subscriber among the members; it leaves when this is dropped.
pub(crate) struct Membership {
    /// Counts the subscribers who get events live.
    _counted: GaugeGuard,
    all: SharedSubscriptions,
    subscription: Arc<SharedSubscription>,
    id: u64,
    queue: byte_queue::Receiver<EncodedEvent, StreamErrors>,
}

impl SharedSubscriptions {
    /// Joins the subscription of this key, which `open` opens if there is none. Returns the
    /// membership, and the position after which the member gets events.
    pub(crate) fn join(
        &self,
        key: &Arc<GroupKey>,
        queue: (
            EventSender,
            byte_queue::Receiver<EncodedEvent, StreamErrors>,
        ),
        counted: GaugeGuard,
        open: impl FnOnce() -> Arc<SharedSubscription>,
    ) -> (Membership, Position) {
        // Held until the member is in: the last one could leave and stop the subscription.
        let mut all = self.0.lock();
        let subscription = all.entry(key.clone()).or_insert_with(open);
        let (sender, queue) = queue;
        let (id, live_from) = subscription.members.lock().add(sender);
        let membership = Membership {
            _counted: counted,
            all: self.clone(),
            subscription: subscription.clone(),
            id,
            queue,
        };
        (membership, live_from)
    }

    /// Ends every member's queue with these errors; the next subscriber opens a new subscription.
    pub(crate) fn end(&self, subscription: &Arc<SharedSubscription>, why: &StreamErrors) {
        // First, so that nobody joins after the queues are taken.
        forget(&mut self.0.lock(), subscription);
        let queues = std::mem::take(&mut subscription.members.lock().queues);
        for queue in queues.into_values() {
            queue.end(why.clone());
        }
    }
}

/// Removes a subscription from the registry, unless another has taken its key, and stops it.
fn forget(all: &mut Registry, subscription: &Arc<SharedSubscription>) {
    let known = all.get(&subscription.key);
    if known.is_some_and(|known| Arc::ptr_eq(known, subscription)) {
        all.remove(&subscription.key);
    }
    subscription.gone.cancel();
}

impl Members {
    /// Adds a member; returns its id and the position after which it gets events.
    fn add(&mut self, queue: EventSender) -> (u64, Position) {
        let id = self.next_id;
        self.next_id += 1;
        self.queues.insert(id, queue);
        (id, self.dispatched)
    }
}

impl SharedSubscription {
    /// A subscription without members, to the events after `live_from`.
    pub(crate) fn new(
        key: Arc<GroupKey>,
        live_from: Position,
        lagged: ServerError,
        lagged_members: Counter,
        gone: CancellationToken,
    ) -> Self {
        Self {
            key,
            members: Mutex::new(Members {
                queues: BTreeMap::new(),
                next_id: 0,
                dispatched: live_from,
            }),
            lagged,
            lagged_members,
            gone,
        }
    }

    pub(crate) fn member_count(&self) -> usize {
        self.members.lock().queues.len()
    }

    /// Puts events into the queues of all members. A member without room for them is cut off.
    pub(crate) async fn dispatch(&self, events: &[EncodedEvent]) {
        let mut next = Some(0);
        while let Some(from) = next {
            next = self.dispatch_to_some(events, from);
            if next.is_some() {
                // These members can write their events before the others get any.
                yield_now().await;
            }
        }
    }

    /// Dispatches to a few members, from this id on; returns the id to continue with, if any.
    fn dispatch_to_some(&self, events: &[EncodedEvent], from: u64) -> Option<u64> {
        let mut members = self.members.lock();
        let (mut next, mut full) = (from, Vec::new());
        for (id, queue) in members.queues.range(from..).take(MEMBERS_AT_ONCE) {
            next = id + 1;
            let mut events = events.iter();
            if !events.all(|event| queue.push(event.clone(), event.payload.len())) {
                full.push(*id);
            }
        }
        for id in full {
            if let Some(queue) = members.queues.remove(&id) {
                queue.end(vec![self.lagged.clone()]);
                self.lagged_members.inc();
            }
        }
        if members.queues.range(next..).next().is_some() {
            return Some(next);
        }
        // Set only at the end: a member that joined meanwhile has a later id, and got these too.
        let last = events.last().and_then(|event| event.bookmark);
        members.dispatched = last.map_or(members.dispatched, |last| last.position);
        None
    }
}

impl Membership {
    /// The next event, or the errors that end the subscription.
    pub(crate) async fn next(&mut self) -> Result<EncodedEvent, StreamErrors> {
        self.queue.next().await
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        let mut members = self.subscription.members.lock();
        members.queues.remove(&self.id);
        if members.queues.is_empty() {
            forget(&mut all, &self.subscription);
        }
    }
}
