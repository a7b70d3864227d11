//! Subscribers who ask the same: one stream executes for all of them, and each answer is written down once.

use std::{
    collections::{BTreeMap, HashMap},
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_graphql::{PathSegment, ServerError};
use futures_util::stream::StreamExt;
use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::Mutex as AsyncMutex,
    task::yield_now,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    auth::request_context::RequestContext,
    domain::{error::Error, id::Position},
    feed::{byte_queue, event_filter::EventFilter, live_events::LiveEvents},
    graphql::{
        api::Api,
        execute::errors::from_error,
        lock::lock,
        prepare::operation::PreparedOperation,
        schema::subscription::EventSource,
        subscribe::{
            group_key::GroupKey,
            stream::{EncodedEvent, StreamErrors, StreamPosition},
        },
    },
    metrics::gauge_guard::GaugeGuard,
};

/// How many answers are handed to the members at a time.
const MANY: usize = 64;
/// To how many members, before others have their turn.
const SOME: usize = 64;
/// A large group is told at intervals, so that several answers go out in one write: so long for each member, …
const PACE: Duration = Duration::from_micros(30);
/// … from here …
const BRIEFEST: Duration = Duration::from_millis(1);
/// … up to here.
const LONGEST: Duration = Duration::from_millis(30);

/// All groups there are.
#[derive(Clone, Default)]
pub(crate) struct SharedSubscriptions(Arc<Mutex<HashMap<Arc<GroupKey>, Arc<SharedSubscription>>>>);

struct SharedSubscription {
    key: Arc<GroupKey>,
    members: Mutex<Members>,
    /// What a member is told that takes too little.
    lagged: ServerError,
    /// How many members of any group were told that.
    lost: Counter,
    /// Cancelled when the last member has left, or the server stops.
    gone: CancellationToken,
}

struct Members {
    queues: BTreeMap<u64, byte_queue::Sender<EncodedEvent, StreamErrors>>,
    next_id: u64,
    /// Everything up to here was handed to the members.
    delivered: Position,
}

/// Held by who answers for a group: should that panic, its members are told.
struct PanicGuard {
    groups: SharedSubscriptions,
    group: Arc<SharedSubscription>,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let failure = vec![from_error(&Error::Unavailable)];
            self.groups.end(&self.group, &failure);
        }
    }
}

/// A place in a group, given up when dropped.
pub(crate) struct Membership {
    /// Counts those who hear, as long as this one does.
    _counted: GaugeGuard,
    groups: SharedSubscriptions,
    group: Arc<SharedSubscription>,
    id: u64,
    queue: byte_queue::Receiver<EncodedEvent, StreamErrors>,
}

/// A subscriber's way into its group.
pub(crate) struct Joiner {
    api: Api,
    key: Arc<GroupKey>,
    asked: Arc<PreparedOperation>,
    /// The call of who opens the group stands for all: they may do the same. It has no name, which would be one of many.
    context: RequestContext,
    lagged: ServerError,
    joined: Mutex<Option<Membership>>,
}

impl Joiner {
    pub(crate) fn new(api: &Api, asked: Arc<PreparedOperation>, context: &RequestContext) -> Self {
        let mut lagged = from_error(&Error::FeedLagged);
        if let Some(field) = asked.root_field() {
            let key = field.node.response_key().node.to_string();
            lagged.path.push(PathSegment::Field(key));
            lagged.locations.push(field.pos);
        }
        Self {
            key: Arc::new(GroupKey::new(&asked, &context.caller)),
            api: api.clone(),
            asked,
            context: RequestContext {
                request_id: Arc::from(""),
                ..context.clone()
            },
            lagged,
            joined: Mutex::default(),
        }
    }

    /// Joins the group, or begins it, for one who has everything up to `at`; says from which place on it hears.
    pub(crate) fn join(&self, filter: &EventFilter, at: Position) -> Position {
        let groups = &self.api.groups;
        let mut all = lock(&groups.0);
        let group = all
            .entry(self.key.clone())
            .or_insert_with(|| self.open(filter, at));
        let (sender, queue) = byte_queue::queue(self.api.app.config.feed.feed_queue_bytes);
        let mut members = lock(&group.members);
        let id = members.next_id;
        members.next_id += 1;
        members.queues.insert(id, sender);
        let from = members.delivered;
        drop(members);
        let membership = Membership {
            _counted: GaugeGuard::new(&self.api.app.metrics.feed_subscribers),
            groups: groups.clone(),
            group: group.clone(),
            id,
            queue,
        };
        drop(all);
        *lock(&self.joined) = Some(membership);
        from
    }

    fn open(&self, filter: &EventFilter, at: Position) -> Arc<SharedSubscription> {
        let api = self.api.clone();
        let listening = api.app.feed.subscribe(filter.clone(), at);
        let group = Arc::new(SharedSubscription {
            key: self.key.clone(),
            members: Mutex::new(Members {
                queues: BTreeMap::new(),
                next_id: 0,
                delivered: listening.delivered(),
            }),
            lagged: self.lagged.clone(),
            lost: api.app.metrics.feed_lagged.clone(),
            gone: api.app.stop.child_token(),
        });
        let working = PanicGuard {
            groups: api.groups.clone(),
            group: group.clone(),
        };
        let (context, asked) = (self.context.clone(), self.asked.clone());
        let tasks = api.app.tasks.clone();
        tasks.spawn(async move {
            let group = &working.group;
            let work = group.run(&api, &context, &asked, listening);
            if let Some(failure) = group.gone.run_until_cancelled(work).await {
                working.groups.end(group, &failure);
            }
        });
        group
    }

    /// The membership, once the subscriber's own stream has ended with joining.
    pub(crate) fn joined(&self) -> Option<Membership> {
        lock(&self.joined).take()
    }
}

impl SharedSubscription {
    /// Answers each event once for all members; says why there is nothing more.
    async fn run(
        &self,
        api: &Api,
        context: &RequestContext,
        asked: &PreparedOperation,
        listening: LiveEvents,
    ) -> StreamErrors {
        let listening = Arc::new(AsyncMutex::new(listening));
        loop {
            // While nothing happens there is no stream: it would take many times the memory.
            listening.lock().await.wait().await;
            let answering = self.answer(api, context, asked, listening.clone());
            if let Some(failure) = Box::pin(answering).await {
                return failure;
            }
        }
    }

    /// Answers events until there is none for a while.
    async fn answer(
        &self,
        api: &Api,
        context: &RequestContext,
        asked: &PreparedOperation,
        listening: Arc<AsyncMutex<LiveEvents>>,
    ) -> Option<StreamErrors> {
        let request = api.request(asked, context).await;
        let place = StreamPosition::default();
        let request = request.data(EventSource::live(listening, place.clone()));
        let responses = api.schema.execute_stream(request);
        let signature = api.signature(context);
        let answers = asked.answers(responses, &place, &signature);
        let mut answers = pin!(answers.ready_chunks(MANY));
        while let Some(ready) = answers.next().await {
            let begun = Instant::now();
            let mut failure = None;
            let good = ready
                .into_iter()
                .map_while(|answer| answer.map_err(|f| failure = Some(f)).ok());
            self.dispatch(&good.collect::<Vec<_>>()).await;
            if failure.is_some() {
                return failure;
            }
            let members = lock(&self.members).queues.len();
            let pause = PACE.saturating_mul(members.try_into().unwrap_or(u32::MAX));
            if pause >= BRIEFEST {
                sleep_until(begun + pause.min(LONGEST)).await;
            }
        }
        None
    }

    /// Puts answers into the queues of all members. Who has no room for them is cut off.
    async fn dispatch(&self, answers: &[EncodedEvent]) {
        let mut next = Some(0);
        while let Some(from) = next {
            next = self.dispatch_to_some(answers, from);
            if next.is_some() {
                // These write first, and whoever else has something to do has a turn.
                yield_now().await;
            }
        }
    }

    /// The same for a few, from this id on; says with which it goes on.
    fn dispatch_to_some(&self, answers: &[EncodedEvent], from: u64) -> Option<u64> {
        let mut members = lock(&self.members);
        let (mut next, mut full) = (from, Vec::new());
        for (id, queue) in members.queues.range(from..).take(SOME) {
            next = id + 1;
            let mut answers = answers.iter();
            if !answers.all(|answer| queue.push(answer.clone(), answer.payload.len())) {
                full.push(*id);
            }
        }
        for id in full {
            if let Some(queue) = members.queues.remove(&id) {
                queue.end(vec![self.lagged.clone()]);
                self.lost.inc();
            }
        }
        if members.queues.range(next..).next().is_some() {
            return Some(next);
        }
        // Said only now: who has joined in between was among them, or has read these.
        let last = answers.last().and_then(|answer| answer.position);
        members.delivered = last.unwrap_or(members.delivered);
        None
    }
}

impl SharedSubscriptions {
    /// Tells all members why there is nothing more; who comes next begins a new group.
    fn end(&self, group: &Arc<SharedSubscription>, why: &StreamErrors) {
        forget(&mut lock(&self.0), group);
        for queue in std::mem::take(&mut lock(&group.members).queues).into_values() {
            queue.end(why.clone());
        }
    }
}

/// Takes a group out of all groups, where another may stand in its place already, and stops its work.
fn forget(
    all: &mut HashMap<Arc<GroupKey>, Arc<SharedSubscription>>,
    group: &Arc<SharedSubscription>,
) {
    if all.get(&group.key).is_some_and(|g| Arc::ptr_eq(g, group)) {
        all.remove(&group.key);
    }
    group.gone.cancel();
}

impl Membership {
    /// The next answer, or why there is nothing more.
    pub(crate) async fn next(&mut self) -> Result<EncodedEvent, StreamErrors> {
        self.queue.next().await
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // Nobody joins meanwhile: that needs the first of these.
        let mut all = lock(&self.groups.0);
        let mut members = lock(&self.group.members);
        members.queues.remove(&self.id);
        if members.queues.is_empty() {
            forget(&mut all, &self.group);
        }
    }
}
