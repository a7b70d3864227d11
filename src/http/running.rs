//! An operation on a socket, from its beginning to its last word.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_graphql::Response;
use futures_util::{
    Stream, StreamExt,
    future::BoxFuture,
    stream::{Abortable, BoxStream},
};

use super::{protocol::Label, session::Start};
use crate::graphql::{
    Api,
    live::{Outcome, Update},
};

/// An operation that runs.
pub(super) struct Running {
    pub(super) label: Label,
    updates: Abortable<Updates>,
}

/// What an operation says.
pub(super) enum Said {
    Answer(Box<Response>),
    Update(Update),
}

/// Two boxes in turn, so that what a subscription needed to begin is not kept as long as it lasts.
enum Updates {
    Beginning(BoxFuture<'static, Outcome>),
    Going(BoxStream<'static, Update>),
    Over,
}

impl Running {
    pub(super) fn new(api: Api, start: Start) -> Self {
        let begin = async move {
            match api.open(start.operation, &start.call) {
                Ok(asked) => api.run(asked, &start.call, None).await,
                Err(refusal) => Outcome::refused(vec![refusal]),
            }
        };
        Self {
            label: start.label,
            updates: Abortable::new(Updates::Beginning(Box::pin(begin)), start.ending),
        }
    }

    /// Its client has ended it, and may have used its id anew.
    pub(super) fn is_ended(&self) -> bool {
        self.updates.is_aborted()
    }
}

impl Stream for Running {
    type Item = Said;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Said>> {
        self.updates.poll_next_unpin(cx)
    }
}

impl Stream for Updates {
    type Item = Said;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Said>> {
        loop {
            match &mut *self {
                Self::Beginning(begin) => match ready!(begin.as_mut().poll(cx)) {
                    Outcome::Answer(answer) => {
                        *self = Self::Over;
                        return Poll::Ready(Some(Said::Answer(answer)));
                    }
                    Outcome::Stream(updates) => *self = Self::Going(updates),
                },
                Self::Going(updates) => {
                    let update = ready!(updates.poll_next_unpin(cx));
                    return Poll::Ready(update.map(Said::Update));
                }
                Self::Over => return Poll::Ready(None),
            }
        }
    }
}
