//! The root of subscriptions.

use async_graphql::{Context, Subscription as Root};
use futures_util::{Stream, StreamExt};

use super::{
    ContextExt,
    event::{StepEvent, StepEventFilter},
    live::{Place, Resume},
    scalar::EventCursor,
};
use crate::{
    error::{Error, Result},
    feed::Start,
};

/// Everything that can be listened to.
pub(super) struct Subscription;

/// Everything that can be listened to.
#[Root]
impl Subscription {
    /// Every change of every matching step, each once, in order, with no gap.
    /// after: first replays what came since that position, then goes on live.
    /// snapshot: first sends each matching step as it is now (kind SNAPSHOT), then goes on live.
    /// Neither: live from now. Both: an error.
    /// The stream ends with the error CURSOR_EXPIRED where `after` is older than the feed reaches, and with
    /// FEED_LAGGED (extensions.cursor says where to resume) where the client reads too slowly, with FEED_DETACHED
    /// where a Buildbot upgrade dropped the feed's triggers.
    async fn step_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where")] filter: Option<StepEventFilter>,
        after: Option<EventCursor>,
        #[graphql(default = false)] snapshot: bool,
    ) -> Result<impl Stream<Item = Result<StepEvent>> + use<>> {
        let resume = ctx.data_opt::<Resume>().and_then(|r| r.0.clone());
        let start = match (after, snapshot) {
            _ if resume.is_some() => Start::After(resume.unwrap_or_default()),
            (Some(_), true) => {
                return Err(Error::invalid(
                    "snapshot",
                    "not together with after: ask for one start",
                ));
            }
            (Some(cursor), false) => Start::After(cursor.0),
            (None, true) => Start::Snapshot,
            (None, false) => Start::Now,
        };
        let feed = ctx.app().feed.clone();
        let events = feed
            .subscribe(filter.unwrap_or_default().into(), start)
            .await?;
        let place = ctx.data_opt::<Place>().cloned().unwrap_or_default();
        Ok(events.map(move |event| {
            event.map(|event| {
                place.set(Some(event.position));
                StepEvent::new(&feed, event)
            })
        }))
    }
}
