//! Runs queries and mutations.

use std::{sync::Arc, time::Instant};

use async_graphql::{Response, ServerError, value};
use tracing::Instrument;

use crate::{
    app::turn::OperationTurn,
    auth::request_context::RequestContext,
    domain::error::{Error, ErrorCode, Result},
    graphql::{
        api::Api,
        execute::{
            answer::Answer,
            errors::{from_error, request_error, settle},
            outcome::{Outcome, Refusal},
            panic_boundary,
            response::shape_response,
            response_code::ResponseCode,
            run_scope::RunScope,
        },
        prepare::operation::PreparedOperation,
    },
    metrics::labels::OutcomeLabel,
};

/// Why a transport for single responses refuses a subscription.
const ONE_RESPONSE: &str = "a subscription goes over a WebSocket, or over HTTP with `Accept: text/event-stream` or \
     `multipart/mixed;subscriptionSpec=1.0`";

impl Api {
    /// Runs a query or a mutation; a subscription is refused.
    pub(crate) async fn execute(
        &self,
        operation: Arc<PreparedOperation>,
        context: &RequestContext,
    ) -> Outcome {
        let begun = Instant::now();
        let (mut outcome, label) = match self.respond(&operation, context).await {
            Ok(answer) if answer.errors.is_empty() => {
                (Outcome::Executed(Box::new(answer)), OutcomeLabel::Ok)
            }
            Ok(answer) => (Outcome::Executed(Box::new(answer)), OutcomeLabel::Failed),
            Err(refusal) => (Outcome::Refused(refusal), OutcomeLabel::Refused),
        };
        let metrics = &self.app.metrics;
        metrics.record_operation(operation.label(), label, begun.elapsed());
        let signer = self.error_signer(context);
        match &mut outcome {
            Outcome::Refused(refusal) => signer.sign(&mut refusal.errors),
            Outcome::Executed(answer) => {
                signer.sign(&mut answer.errors);
                if context.wants_cost {
                    let max = self.app.config.limit.max_cost;
                    let cost = value!({ "objects": operation.cost.objects, "max": max });
                    answer.extensions.insert("cost".to_owned(), cost);
                }
            }
            Outcome::Stream(_) => {}
        }
        outcome
    }

    async fn respond(
        &self,
        operation: &Arc<PreparedOperation>,
        context: &RequestContext,
    ) -> Result<Answer, Refusal> {
        if operation.is_subscription() {
            let code = ResponseCode::ValidationFailed;
            return Err(request_error(ONE_RESPONSE, code).into());
        }
        let scope = RunScope::new(&self.app, context);
        let turn = self
            .app
            .turn(context, scope.deadline, operation.answer_bytes());
        let turn = turn.await.map_err(Refusal::admission)?;
        match self.call_library(operation, context, scope, turn).await {
            Ok(response) => Ok(self.answer(operation, context, response)),
            // An operation that panicked had begun, and earlier fields may have committed.
            Err(error @ Error::Internal(_)) => {
                let response = Response::from_errors(vec![from_error(&error)]);
                Ok(Answer::write(response, u64::MAX, None, |error| error))
            }
            // Of the idempotency key, which is claimed before anything is executed.
            Err(error)
                if matches!(error, Error::KeyReused) || error.code() == ErrorCode::Unavailable =>
            {
                Err(Refusal::admission(error))
            }
            Err(error) => Err(from_error(&error).into()),
        }
    }

    /// Executes the operation in the library. A query ends at its deadline, and with its client; a
    /// mutation that was cut off would leave its caller in doubt.
    async fn call_library(
        &self,
        operation: &Arc<PreparedOperation>,
        context: &RequestContext,
        scope: RunScope,
        turn: OperationTurn,
    ) -> Result<Response> {
        let (api, context) = (self.clone(), context.clone());
        let of_work = scope.clone();
        let of_task = operation.clone();
        let label = operation.label().name();
        let span = tracing::debug_span!("operation", kind = label, name = operation.name);
        let work = async move {
            let _turn = turn;
            let request = api.library_request(&of_task, &context, &of_work).await?;
            Ok(Box::pin(api.schema.execute(request)).await)
        };
        // Boxed, so that this future does not hold it once for each branch below.
        let work = Box::pin(panic_boundary::catch(work.instrument(span)));
        if operation.is_mutation() {
            let task = self.app.tasks.spawn(work.in_current_span());
            let _client = scope.presence.client();
            task.await.map_err(Error::internal)??
        } else {
            let deadline = scope.deadline;
            deadline.keep_reading(&scope.account, work).await??
        }
    }

    /// Puts an executed operation's data into the selected shape, writes it, and sets the codes of
    /// its errors.
    fn answer(
        &self,
        operation: &PreparedOperation,
        context: &RequestContext,
        mut response: Response,
    ) -> Answer {
        let is_mutation = operation.is_mutation();
        if is_mutation {
            tell_written(&mut response.errors);
        }
        shape_response(&operation.canonical, &self.types, &mut response);
        let memory = self.app.rate_limiter.memory(context).hold(0);
        let max_text_bytes = self.app.config.limit.max_text_bytes;
        // What it is made of may be small beside its text.
        let mut answer = Answer::write(response, max_text_bytes, Some(memory), |error| {
            if is_mutation {
                Error::WrittenUnread
            } else {
                error
            }
        });
        // During execution, the library's own errors are arguments that it could not read.
        settle(&mut answer.errors, ErrorCode::BadUserInput.into());
        answer
    }
}

/// Replaces what asks the caller to try again below a mutation's root: that field has been written.
fn tell_written(errors: &mut [ServerError]) {
    for error in errors.iter_mut().filter(|error| error.path.len() > 1) {
        let code = error.source::<Error>().map(Error::code);
        if let Some(ErrorCode::Unavailable | ErrorCode::LimitExceeded) = code {
            let written = Error::WrittenUnread;
            error.message = written.to_string();
            error.source = Some(Arc::new(written));
        }
    }
}
