//! Finds the subscribers that an event concerns. An event costs nothing for the others.

use std::collections::HashMap;

use migration::noun::{Noun, NounSet};

use crate::{
    domain::{
        bookmark::Bookmark,
        error::Error,
        id::{BuildId, BuilderId, LogId, StepId},
    },
    feed::{
        builder_directory::BuilderDirectory, byte_queue, event_filter::EventFilter,
        recent::RecentEvents,
    },
    store::event::{Event, EventObject},
};

/// The subscribers, and how far the feed was dispatched to them.
#[derive(Debug, Default)]
pub(crate) struct Dispatcher {
    pub(crate) subscribers: Subscribers,
    /// Every event up to here was dispatched; meaningless while there are no subscribers.
    pub(crate) at: Bookmark,
    /// The events that were dispatched last, up to `at`.
    recent: RecentEvents,
    /// What was read for the subscribers that ask for builders by name or tag.
    pub(crate) builders: BuilderDirectory,
}

impl Dispatcher {
    /// The events behind a bookmark, up to the newest that was dispatched; `None` where only the
    /// table has them all.
    pub(crate) fn recent_after(&self, bookmark: Bookmark) -> Option<impl Iterator<Item = &Event>> {
        // Without subscribers the tail stops, so newer events may be missing from memory.
        let is_known = !self.subscribers.is_empty();
        self.recent.after(bookmark).filter(|_| is_known)
    }

    /// Adds a subscriber that has read everything up to `read`. Its queue gets the events behind
    /// the dispatcher's bookmark.
    pub(crate) fn register(
        &mut self,
        filter: &EventFilter,
        read: Bookmark,
        queue: byte_queue::Sender<Event, Error>,
    ) -> SubscriberKey {
        // The tail stops without subscribers, so `at` is old; the first one brings its own.
        if self.subscribers.is_empty() {
            self.restart_at(read);
        }
        let filter = filter.clone();
        self.subscribers.insert(Subscriber { filter, queue })
    }

    /// Dispatches the events behind `at`, up to `last`. Where a subscriber asks for builders by
    /// name or tag, `builders` has those of the events.
    pub(crate) fn dispatch(&mut self, events: &[Event], last: Bookmark) {
        // Not the last event's: unreadable rows, which are no events, have one too.
        self.at = last;
        for event in events {
            match event.object {
                EventObject::Gap(noun) => self.subscribers.end(&gap(noun), noun.into()),
                _ => self.subscribers.dispatch(event, &self.builders),
            }
            self.recent.push(event);
        }
    }

    fn restart_at(&mut self, bookmark: Bookmark) {
        self.at = bookmark;
        self.recent = RecentEvents::starting_after(bookmark);
        self.builders.clear();
    }
}

/// Why a subscription ends at a gap in the feed.
pub(crate) fn gap(noun: Noun) -> Error {
    Error::CursorExpired(match noun {
        Noun::Builder => "changes of builders behind this cursor were not recorded",
        Noun::Build => "changes of builds behind this cursor were not recorded",
        Noun::Step => "changes of steps behind this cursor were not recorded",
        Noun::Log => "changes of logs behind this cursor were not recorded",
    })
}

/// The narrowest thing that a filter names. An event is looked up under six topics, however many
/// subscribers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Topic {
    Log(LogId),
    Step(StepId),
    Build(BuildId),
    Builder(BuilderId),
    /// Whatever is asked of builders by name or tag.
    Labels,
    All,
}

impl Topic {
    fn of(filter: &EventFilter) -> Self {
        let labels = filter.asks_for_labels().then_some(Self::Labels);
        labels
            .or(filter.logid.map(Self::Log))
            .or(filter.stepid.map(Self::Step))
            .or(filter.buildid.map(Self::Build))
            .or(filter.builderid.map(Self::Builder))
            .unwrap_or(Self::All)
    }
}

#[derive(Debug)]
struct Subscriber {
    filter: EventFilter,
    queue: byte_queue::Sender<Event, Error>,
}

/// Identifies a subscriber.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SubscriberKey {
    topic: Topic,
    id: u64,
}

/// The subscribers of each topic, by id. A topic without any has no entry.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    topics: HashMap<Topic, HashMap<u64, Subscriber>>,
    next_id: u64,
}

impl Subscribers {
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.topics.values().map(HashMap::len).sum()
    }

    /// Ends the queues of those who ask for one of the nouns for this reason, and removes them.
    pub(crate) fn end(&mut self, why: &Error, nouns: NounSet) {
        self.topics.retain(|_, subscribers| {
            let asks = |subscriber: &Subscriber| subscriber.filter.nouns.intersects(nouns);
            for (_, ended) in subscribers.extract_if(|_, subscriber| asks(subscriber)) {
                ended.queue.end(why.clone());
            }
            !subscribers.is_empty()
        });
    }

    /// Whether one asks for builders by name or tag.
    pub(crate) fn ask_for_labels(&self) -> bool {
        self.topics.contains_key(&Topic::Labels)
    }

    pub(crate) fn remove(&mut self, key: SubscriberKey) {
        if let Some(subscribers) = self.topics.get_mut(&key.topic) {
            subscribers.remove(&key.id);
            if subscribers.is_empty() {
                self.topics.remove(&key.topic);
            }
        }
    }

    fn insert(&mut self, subscriber: Subscriber) -> SubscriberKey {
        let topic = Topic::of(&subscriber.filter);
        // Never reused: a registration that is dropped late must not remove another subscriber.
        let id = self.next_id;
        self.next_id += 1;
        let subscribers = self.topics.entry(topic).or_default();
        subscribers.insert(id, subscriber);
        SubscriberKey { topic, id }
    }

    /// Puts an event into the queues of those it concerns. A queue that it does not fit into is
    /// ended with `FeedLagged`.
    fn dispatch(&mut self, event: &Event, builders: &BuilderDirectory) {
        let bytes = event.object.event_bytes();
        let (logid, stepid, buildid) = match &event.object {
            EventObject::Log { log, buildid } => (Some(log.id), Some(log.stepid), *buildid),
            EventObject::Step(step) => (None, Some(step.id), Some(step.buildid)),
            EventObject::Build(build) => (None, None, Some(build.id)),
            EventObject::Builder { .. } | EventObject::Gap(_) => (None, None, None),
        };
        let topics = [
            logid.map(Topic::Log),
            stepid.map(Topic::Step),
            buildid.map(Topic::Build),
            event.builderid.map(Topic::Builder),
            Some(Topic::Labels),
            Some(Topic::All),
        ];
        for topic in topics.into_iter().flatten() {
            let Some(subscribers) = self.topics.get_mut(&topic) else {
                continue;
            };
            // A clone of an event shares its object.
            let overflowed = subscribers.extract_if(|_, subscriber| {
                subscriber.filter.matches(event, builders)
                    && !subscriber.queue.push(event.clone(), bytes)
            });
            for (_, subscriber) in overflowed {
                subscriber.queue.end(Error::FeedLagged);
            }
            if subscribers.is_empty() {
                self.topics.remove(&topic);
            }
        }
    }
}
