//! An operation on a socket, from its start to its last message.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{
    FutureExt, Stream, StreamExt,
    future::{BoxFuture, Pending, pending},
    stream::{self, Abortable, BoxStream},
};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::{
    auth::request_context::RequestContext,
    graphql::{
        api::Api,
        execute::{
            answer::Answer,
            errors::from_error,
            outcome::{Outcome, Refusal, Update},
            panic_boundary::catch,
        },
        prepare::documents::OperationRequest,
    },
    http::{
        listener::poll_turns::CallerTurns,
        request_log::socket_span,
        websocket::{protocol::MessageLabel, session::StartRequest},
    },
    memory::MemoryShare,
};

/// A running operation: a stream of what it sends.
pub(crate) struct RunningOperation {
    pub(crate) label: MessageLabel,
    /// Completes when the client ends the operation.
    ending: Abortable<Pending<()>>,
    stage: OperationStage,
    span: Span,
}

/// What an operation sends.
pub(crate) enum OperationOutput {
    /// It was not executed. The last item.
    Refused(Refusal),
    /// The response to a query or a mutation. The last item.
    Executed(Box<Answer>),
    Update(Update),
}

/// The stages of an operation. Each has its own box, so that what a subscription needs only to
/// begin is freed while it streams.
enum OperationStage {
    Beginning(BoxFuture<'static, Outcome>),
    Streaming(BoxStream<'static, Update>),
    Over,
}

impl RunningOperation {
    pub(crate) fn new(
        api: Api,
        start: StartRequest,
        memory: MemoryShare,
        stopping: CancellationToken,
        turns: &CallerTurns,
    ) -> Self {
        let span = socket_span(&start.context);
        let StartRequest {
            label,
            operation,
            context,
            ending,
        } = start;
        // A panic must end this operation alone, not the socket's task.
        let panicked = |error| Outcome::Refused(from_error(&error).into());
        let begin = catch(begin(api, operation, context, stopping)).map(move |begun| {
            // The request is read.
            drop(memory);
            begun.unwrap_or_else(panicked)
        });
        Self {
            label,
            ending: Abortable::new(pending(), ending),
            stage: OperationStage::Beginning(Box::pin(turns.take(begin))),
            span,
        }
    }

    /// Returns whether it is a subscription that has begun.
    pub(crate) fn is_streaming(&self) -> bool {
        matches!(self.stage, OperationStage::Streaming(_))
    }

    /// Returns whether the client has ended it, and so may have reused its id.
    pub(crate) fn is_ended(&self) -> bool {
        self.ending.is_aborted()
    }
}

async fn begin(
    api: Api,
    request: OperationRequest,
    context: RequestContext,
    stopping: CancellationToken,
) -> Outcome {
    // The token may have been revoked since the socket was opened.
    let caller = api.app().access.revalidate(&context.caller).await;
    let context = context.with_caller(caller);
    match api.prepare(request, &context) {
        Ok(operation) => match api.run(operation, &context, None).await {
            // It would keep a stopping socket open.
            Outcome::Stream(_) if stopping.is_cancelled() => {
                Outcome::Stream(stream::empty().boxed())
            }
            outcome => outcome,
        },
        Err(refusal) => Outcome::Refused(refusal),
    }
}

impl Stream for RunningOperation {
    type Item = OperationOutput;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OperationOutput>> {
        let Self {
            ending,
            stage,
            span,
            ..
        } = &mut *self;
        if ending.poll_unpin(cx).is_ready() {
            return Poll::Ready(None);
        }
        // Entered per poll, because one task polls operations with different request ids.
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
                        // Polled at once: the new stage does not have this task's waker yet.
                        continue;
                    }
                    Outcome::Executed(answer) => OperationOutput::Executed(answer),
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
