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

use tracing::Span;

use crate::{
    graphql::{
        api::Api,
        subscribe::stream::{Outcome, Update},
    },
    http::{
        request_log::socket_span,
        websocket::{protocol::MessageLabel, session::StartRequest},
    },
};

/// An operation that runs.
pub(crate) struct RunningOperation {
    pub(crate) label: MessageLabel,
    updates: Abortable<OperationStage>,
    span: Span,
}

/// What an operation says.
pub(crate) enum OperationOutput {
    Answer(Box<Response>),
    Update(Update),
}

/// Two boxes in turn, so that what a subscription needed to begin is not kept as long as it lasts.
enum OperationStage {
    Beginning(BoxFuture<'static, Outcome>),
    Going(BoxStream<'static, Update>),
    Over,
}

impl RunningOperation {
    pub(crate) fn new(api: Api, start: StartRequest) -> Self {
        let span = socket_span(&start.context);
        let begin = async move {
            let mut context = start.context;
            // The token may have been revoked since the socket was opened.
            context.caller = api.app().access.revalidate(&context.caller).await;
            match api.open(start.operation, &context) {
                Ok(asked) => api.run(asked, &context, None).await,
                Err(refusal) => Outcome::refused(vec![refusal]),
            }
        };
        Self {
            label: start.label,
            updates: Abortable::new(OperationStage::Beginning(Box::pin(begin)), start.ending),
            span,
        }
    }

    /// Its client has ended it, and may have used its id anew.
    pub(crate) fn is_ended(&self) -> bool {
        self.updates.is_aborted()
    }
}

impl Stream for RunningOperation {
    type Item = OperationOutput;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OperationOutput>> {
        let Self { updates, span, .. } = &mut *self;
        span.in_scope(|| updates.poll_next_unpin(cx))
    }
}

impl Stream for OperationStage {
    type Item = OperationOutput;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OperationOutput>> {
        loop {
            match &mut *self {
                Self::Beginning(begin) => match ready!(begin.as_mut().poll(cx)) {
                    Outcome::Answer(answer) => {
                        *self = Self::Over;
                        return Poll::Ready(Some(OperationOutput::Answer(answer)));
                    }
                    Outcome::Stream(updates) => *self = Self::Going(updates),
                },
                Self::Going(updates) => {
                    let update = ready!(updates.poll_next_unpin(cx));
                    return Poll::Ready(update.map(OperationOutput::Update));
                }
                Self::Over => return Poll::Ready(None),
            }
        }
    }
}
