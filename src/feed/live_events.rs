//! A subscriber's live events: step 4 of [`feed`](crate::feed)'s algorithm, and the way back to the
//! table where its queue overflowed.

use crate::{
    domain::{
        bookmark::Bookmark,
        error::{Error, Result},
    },
    feed::{
        backfill::Backfill, byte_queue, dispatcher::SubscriberKey, event_filter::EventFilter,
        handle::Feed,
    },
    store::event::Event,
};

/// A subscriber's registration with the dispatcher, removed when dropped.
#[derive(Debug)]
struct Registration {
    feed: Feed,
    key: SubscriberKey,
    /// Events behind this bookmark come through the queue.
    from: Bookmark,
    queue: byte_queue::Receiver<Event, Error>,
}

impl Registration {
    fn new(feed: &Feed, filter: &EventFilter, read: Bookmark) -> Self {
        let (sender, queue) = byte_queue::queue(feed.0.config.feed_queue_bytes, &feed.0.memory);
        // One lock for both: no event may be dispatched between registering and reading `from`.
        let mut dispatcher = feed.dispatcher();
        let key = dispatcher.register(filter, read, sender);
        let from = dispatcher.at;
        drop(dispatcher);
        // The tail sleeps while there are no subscribers.
        feed.wake();
        Self {
            feed: feed.clone(),
            key,
            from,
            queue,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.feed.dispatcher().subscribers.remove(self.key);
    }
}

/// The events behind a bookmark, live.
#[derive(Debug)]
pub(crate) struct LiveEvents {
    /// Reads what is not, or no longer, in the queue.
    backfill: Backfill,
    /// `None` after an overflow, until the backfill has caught up again.
    registration: Option<Registration>,
    delivered: Bookmark,
    /// What [`wait`](Self::wait) has waited for.
    ready: Option<Result<Event>>,
}

impl Feed {
    /// Subscribes to the events that match, for a reader of everything up to `read`.
    pub(crate) fn subscribe(&self, filter: EventFilter, read: Bookmark) -> LiveEvents {
        let registration = Registration::new(self, &filter, read);
        let from = registration.from;
        // The caller itself reads the events between `read` and `from`.
        let mut backfill = Backfill::new(self, filter, from);
        backfill.hand_off(from.position);
        LiveEvents {
            backfill,
            registration: Some(registration),
            delivered: from,
            ready: None,
        }
    }
}

impl LiveEvents {
    /// Every event up to here has been taken, or does not match.
    pub(crate) fn delivered(&self) -> Bookmark {
        self.delivered
    }

    /// Waits until [`next`](Self::next) would return at once.
    pub(crate) async fn wait(&mut self) {
        if self.ready.is_none() {
            self.ready = Some(self.receive().await);
        }
    }

    /// The next event. May be cancelled without loss.
    ///
    /// # Errors
    /// Also `CursorExpired`, and any reason for which the feed ends subscriptions. No event
    /// follows.
    pub(crate) async fn next(&mut self) -> Result<Event> {
        self.wait().await;
        // `wait` has filled `ready`, so the fallback is never used.
        let event = self.ready.take().unwrap_or(Err(Error::Unavailable))?;
        self.delivered = event.bookmark;
        Ok(event)
    }

    async fn receive(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.backfill.next().await? {
                return Ok(event);
            }
            // The backfill's `at` stays at the handoff; events from the queue are past it.
            let read = self.backfill.at();
            if read.position > self.delivered.position {
                self.delivered = read;
            }
            let (feed, filter) = (self.backfill.feed(), self.backfill.filter());
            let Some(registration) = &mut self.registration else {
                let registration = Registration::new(feed, filter, self.delivered);
                self.backfill.hand_off(registration.from.position);
                self.registration = Some(registration);
                continue;
            };
            match registration.queue.next().await {
                Ok(event) if event.bookmark.position > self.delivered.position => return Ok(event),
                // The backfill has read it already.
                Ok(_) => {}
                // The table still has what the queue could not hold.
                Err(Error::FeedLagged) => {
                    self.backfill = Backfill::new(feed, filter.clone(), self.delivered);
                    self.registration = None;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
