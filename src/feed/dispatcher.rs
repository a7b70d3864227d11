//! Who listens, found by what an event is about: whom it does not concern it costs nothing.

use std::collections::HashMap;

use crate::{
    domain::{
        error::{Error, Result},
        id::{BuildId, BuilderId, Position, StepId},
    },
    feed::{
        EventFilter, Feed,
        backfill::Backfill,
        byte_queue,
        recent::{self, RecentEvents},
    },
    store::event::Event,
};

/// Who listens, and how far they have been told.
#[derive(Debug, Default)]
pub(crate) struct Dispatcher {
    pub(crate) listeners: Subscribers,
    /// Every event up to here was handed to the listeners; means nothing while there are none.
    pub(crate) position: Position,
    /// What was handed to them last, up to that place.
    pub(crate) recent: RecentEvents,
}

impl Dispatcher {
    /// The events behind a place, up to the newest that is known; none where only the table has them.
    pub(crate) fn recent(&self, place: Position) -> Option<impl Iterator<Item = &Event>> {
        let is_live = !self.listeners.is_empty() && place <= self.position;
        self.recent.after(place).filter(|_| is_live)
    }
}

/// The narrowest thing that a filter names. An event looks at four routes, however many listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Topic {
    Step(StepId),
    Build(BuildId),
    Builder(BuilderId),
    All,
}

impl Topic {
    fn of(filter: &EventFilter) -> Self {
        let step = filter.stepid.map(Self::Step);
        step.or(filter.buildid.map(Self::Build))
            .or(filter.builderid.map(Self::Builder))
            .unwrap_or(Self::All)
    }
}

/// The listeners of each route, by id; a route without any has no entry.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    routes: HashMap<Topic, HashMap<u64, Subscriber>>,
    next_id: u64,
}

#[derive(Debug)]
struct Subscriber {
    filter: EventFilter,
    queue: byte_queue::Sender<Event, Error>,
}

impl Subscribers {
    pub(crate) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.routes.values().map(HashMap::len).sum()
    }

    /// Puts an event into the queues of those it concerns; a queue that it does not fit into is ended with `FeedLagged`.
    pub(crate) fn hand_on(&mut self, event: &Event) {
        let (step, bytes) = (&event.step, recent::bytes(event));
        let routes = [
            Some(Topic::Step(step.id)),
            Some(Topic::Build(step.buildid)),
            event.builderid.map(Topic::Builder),
            Some(Topic::All),
        ];
        for route in routes.into_iter().flatten() {
            let Some(listeners) = self.routes.get_mut(&route) else {
                continue;
            };
            let full = listeners.extract_if(|_, listener| {
                listener.filter.matches(event) && !listener.queue.push(event.clone(), bytes)
            });
            for (_, listener) in full {
                listener.queue.end(Error::FeedLagged);
            }
            if listeners.is_empty() {
                self.routes.remove(&route);
            }
        }
    }

    /// Ends all queues for this reason.
    pub(crate) fn end(&mut self, why: &Error) {
        for (_, listener) in self.routes.drain().flat_map(|(_, listeners)| listeners) {
            listener.queue.end(why.clone());
        }
    }
}

/// A place among the listeners, given up when dropped.
#[derive(Debug)]
struct Registration {
    feed: Feed,
    route: Topic,
    id: u64,
    /// Events behind this place come through the queue.
    from: Position,
    queue: byte_queue::Receiver<Event, Error>,
}

impl Registration {
    fn new(feed: &Feed, filter: &EventFilter, read: Position) -> Self {
        let (sender, receiver) = byte_queue::queue(feed.0.config.feed_queue_bytes);
        let route = Topic::of(filter);
        let listener = Subscriber {
            filter: filter.clone(),
            queue: sender,
        };
        let mut hub = feed.hub();
        if hub.listeners.is_empty() {
            hub.position = read;
            hub.recent = RecentEvents::behind(read);
        }
        let id = hub.listeners.next_id;
        hub.listeners.next_id += 1;
        let on_route = hub.listeners.routes.entry(route).or_default();
        on_route.insert(id, listener);
        let from = hub.position;
        drop(hub);
        feed.wake();
        Self {
            feed: feed.clone(),
            route,
            id,
            from,
            queue: receiver,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut hub = self.feed.hub();
        let routes = &mut hub.listeners.routes;
        if let Some(listeners) = routes.get_mut(&self.route) {
            listeners.remove(&self.id);
            if listeners.is_empty() {
                routes.remove(&self.route);
            }
        }
    }
}

/// Hears the events behind a place live; where they were more than its queue holds, it reads them from the table.
#[derive(Debug)]
pub(crate) struct LiveEvents {
    replay: Backfill,
    place: Option<Registration>,
    told: Position,
    waits: Option<Result<Event>>,
}

impl Feed {
    /// Joins the tail for one who has read everything up to `read`.
    pub(crate) fn listen(&self, filter: EventFilter, read: Position) -> LiveEvents {
        let place = Registration::new(self, &filter, read);
        let mut replay = Backfill::behind(self, filter, place.from);
        replay.joined(place.from);
        LiveEvents {
            told: place.from,
            place: Some(place),
            replay,
            waits: None,
        }
    }
}

impl LiveEvents {
    /// Every event up to here has been taken, or does not match.
    pub(crate) fn told(&self) -> Position {
        self.told
    }

    /// Waits until there is a next event, or none any more.
    pub(crate) async fn wait(&mut self) {
        if self.waits.is_none() {
            self.waits = Some(self.hear().await);
        }
    }

    /// The next event. May be dropped without loss.
    ///
    /// # Errors
    /// Why the feed has ended it, `CursorExpired`, or as every read; then there is nothing more.
    pub(crate) async fn next(&mut self) -> Result<Event> {
        self.wait().await;
        let event = self.waits.take().unwrap_or(Err(Error::Unavailable))?;
        self.told = event.position;
        Ok(event)
    }

    async fn hear(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.replay.next().await? {
                return Ok(event);
            }
            self.told = self.told.max(self.replay.at());
            let (feed, filter) = (self.replay.feed(), self.replay.filter());
            let Some(place) = &mut self.place else {
                let place = Registration::new(feed, filter, self.told);
                self.replay.joined(place.from);
                self.place = Some(place);
                continue;
            };
            match place.queue.next().await {
                Ok(event) if event.position > self.told => return Ok(event),
                // It was read already.
                Ok(_) => {}
                Err(Error::FeedLagged) => {
                    self.replay = Backfill::behind(feed, filter.clone(), self.told);
                    self.place = None;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
