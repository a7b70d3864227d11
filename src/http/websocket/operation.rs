//! An operation on a socket, from its start to its last message.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_graphql::Response;
use futures_util::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{Abortable, BoxStream},
};
use tracing::Span;

use crate::{
    auth::request_context::RequestContext,
    graphql::{
        api::Api,
        execute::{
            errors::from_error,
            outcome::{Outcome, Refusal, Update},
            panic_boundary::catch,
        },
        prepare::document::OperationRequest,
    },
    http::{
        request_log::socket_span,
        websocket::{protocol::MessageLabel, session::StartRequest},
    },
};

/// An operation that runs.
pub(crate) struct RunningOperation {
    pub(crate) label: MessageLabel,
    stage: Abortable<OperationStage>,
    span: Span,
}

/// What an operation has to send.
pub(crate) enum OperationOutput {
    /// It was not executed; there is nothing more.
    Refused(Refusal),
    /// Its one response; there is nothing more.
    Executed(Box<Response>),
    Update(Update),
}

/// Two boxes in turn, so that what a subscription needs to begin is not kept as long as it lasts.
enum OperationStage {
    Beginning(BoxFuture<'static, Outcome>),
    Streaming(BoxStream<'static, Update>),
    Over,
}

impl RunningOperation {
    pub(crate) fn new(api: Api, start: StartRequest) -> Self {
        let span = socket_span(&start.context);
        let StartRequest {
            label,
            operation,
            context,
            ending,
        } = start;
        let panicked = |error| Outcome::Refused(from_error(&error).into());
        let begin = catch(begin(api, operation, context)).map(move |r| r.unwrap_or_else(panicked));
        Self {
            label,
            stage: Abortable::new(OperationStage::Beginning(Box::pin(begin)), ending),
            span,
        }
    }

    /// The client has ended it, and may have used its id anew.
    pub(crate) fn is_ended(&self) -> bool {
        self.stage.is_aborted()
    }
}

async fn begin(api: Api, request: OperationRequest, context: RequestContext) -> Outcome {
    // The token may have been revoked since the socket was opened.
    let caller = api.app().access.revalidate(&context.caller).await;
    let context = context.with_caller(caller);
    match api.prepare(request, &context) {
        Ok(operation) => api.run(operation, &context, None).await,
        Err(refusal) => Outcome::Refused(refusal),
    }
}

impl Stream for RunningOperation {
    type Item = OperationOutput;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OperationOutput>> {
        let Self { stage, span, .. } = &mut *self;
        span.in_scope(|| stage.poll_next_unpin(cx))
    }
}

impl Stream for OperationStage {
    type Item = OperationOutput;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OperationOutput>> {
        loop {
            let output = match &mut *self {
                Self::Beginning(begin) => match ready!(begin.as_mut().poll(cx)) {
                    Outcome::Stream(updates) => {
                        *self = Self::Streaming(updates);
                        continue;
                    }
                    Outcome::Executed(response) => OperationOutput::Executed(response),
                    Outcome::Refused(refusal) => OperationOutput::Refused(refusal),
                },
                Self::Streaming(updates) => {
                    let update = ready!(updates.poll_next_unpin(cx));
                    return Poll::Ready(update.map(OperationOutput::Update));
                }
                Self::Over => return Poll::Ready(None),
            };
            *self = Self::Over;
            return Poll::Ready(Some(output));
        }
    }
}
