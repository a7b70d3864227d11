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
    pub(crate) subscribers: Subscribers,
    /// Every event up to here was handed to the listeners; means nothing while there are none.
    pub(crate) position: Position,
    /// What was handed to them last, up to that place.
    pub(crate) recent: RecentEvents,
}

impl Dispatcher {
    /// The events behind a place, up to the newest that is known; none where only the table has them.
    pub(crate) fn recent(&self, place: Position) -> Option<impl Iterator<Item = &Event>> {
        let is_live = !self.subscribers.is_empty() && place <= self.position;
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
    pub(crate) fn dispatch(&mut self, event: &Event) {
        let (step, bytes) = (&event.step, recent::bytes(event));
        let routes = [
            Some(Topic::Step(step.id)),
            Some(Topic::Build(step.buildid)),
            event.builderid.map(Topic::Builder),
            Some(Topic::All),
        ];
        for route in routes.into_iter().flatten() {
            let Some(subscribers) = self.routes.get_mut(&route) else {
                continue;
            };
            let full = subscribers.extract_if(|_, subscriber| {
                subscriber.filter.matches(event) && !subscriber.queue.push(event.clone(), bytes)
            });
            for (_, subscriber) in full {
                subscriber.queue.end(Error::FeedLagged);
            }
            if subscribers.is_empty() {
                self.routes.remove(&route);
            }
        }
    }

    /// Ends all queues for this reason.
    pub(crate) fn end(&mut self, why: &Error) {
        for (_, subscriber) in self.routes.drain().flat_map(|(_, subscribers)| subscribers) {
            subscriber.queue.end(why.clone());
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
        let subscriber = Subscriber {
            filter: filter.clone(),
            queue: sender,
        };
        let mut dispatcher = feed.dispatcher();
        if dispatcher.subscribers.is_empty() {
            dispatcher.position = read;
            dispatcher.recent = RecentEvents::behind(read);
        }
        let id = dispatcher.subscribers.next_id;
        dispatcher.subscribers.next_id += 1;
        let on_route = dispatcher.subscribers.routes.entry(route).or_default();
        on_route.insert(id, subscriber);
        let from = dispatcher.position;
        drop(dispatcher);
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
        let mut dispatcher = self.feed.dispatcher();
        let routes = &mut dispatcher.subscribers.routes;
        if let Some(subscribers) = routes.get_mut(&self.route) {
            subscribers.remove(&self.id);
            if subscribers.is_empty() {
                routes.remove(&self.route);
            }
        }
    }
}

/// Hears the events behind a place live; where they were more than its queue holds, it reads them from the table.
#[derive(Debug)]
pub(crate) struct LiveEvents {
    backfill: Backfill,
    place: Option<Registration>,
    delivered: Position,
    waits: Option<Result<Event>>,
}

impl Feed {
    /// Joins the tail for one who has read everything up to `read`.
    pub(crate) fn listen(&self, filter: EventFilter, read: Position) -> LiveEvents {
        let place = Registration::new(self, &filter, read);
        let mut backfill = Backfill::behind(self, filter, place.from);
        backfill.hand_off(place.from);
        LiveEvents {
            delivered: place.from,
            place: Some(place),
            backfill,
            waits: None,
        }
    }
}

impl LiveEvents {
    /// Every event up to here has been taken, or does not match.
    pub(crate) fn delivered(&self) -> Position {
        self.delivered
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
        self.delivered = event.position;
        Ok(event)
    }

    async fn hear(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.backfill.next().await? {
                return Ok(event);
            }
            self.delivered = self.delivered.max(self.backfill.at());
            let (feed, filter) = (self.backfill.feed(), self.backfill.filter());
            let Some(place) = &mut self.place else {
                let place = Registration::new(feed, filter, self.delivered);
                self.backfill.hand_off(place.from);
                self.place = Some(place);
                continue;
            };
            match place.queue.next().await {
                Ok(event) if event.position > self.delivered => return Ok(event),
                // It was read already.
                Ok(_) => {}
                Err(Error::FeedLagged) => {
                    self.backfill = Backfill::behind(feed, filter.clone(), self.delivered);
                    self.place = None;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
