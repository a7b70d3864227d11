//! Turns a request into an operation that may run: checks the caller, the document, the variables
//! and the cost. Nothing that is refused here has been executed.

use std::time::Instant;

use async_graphql::ServerError;

use crate::{
    auth::request_context::RequestContext,
    graphql::{
        api::Api,
        execute::outcome::Refusal,
        prepare::{
            cost::{Cost, measure_cost},
            document::OperationRequest,
            operation::PreparedOperation,
            value_check::validate_variables,
        },
    },
    metrics::labels::{OperationLabel, OutcomeLabel},
    rate_limit::limiter::MIN_COST,
};

/// The points that a refused document costs, because it was read.
const REFUSED_POINTS: u64 = 10;

impl Api {
    /// Prepares an operation, or returns why it must not run.
    pub(crate) fn prepare(
        &self,
        request: OperationRequest,
        context: &RequestContext,
    ) -> Result<PreparedOperation, Refusal> {
        let begun = Instant::now();
        self.admit(request, context).map_err(|mut refusal| {
            let (kind, outcome) = (OperationLabel::Unknown, OutcomeLabel::Refused);
            self.app
                .metrics
                .record_operation(kind, outcome, begun.elapsed());
            self.error_signer(context).sign(&mut refusal.errors);
            refusal
        })
    }

    fn admit(
        &self,
        request: OperationRequest,
        context: &RequestContext,
    ) -> Result<PreparedOperation, Refusal> {
        let limiter = &self.app.rate_limiter;
        limiter.admit(context).map_err(Refusal::admission)?;
        let operation = self.measure(request);
        let points = operation.as_ref().map_or(REFUSED_POINTS, |operation| {
            operation.cost.objects.max(MIN_COST)
        });
        // A caller without points gets that error, and not the document's.
        let spent = limiter.spend(context, points);
        spent.map_err(Refusal::admission)?;
        Ok(operation?)
    }

    /// Finds the document, checks the variables and works out the cost.
    fn measure(&self, request: OperationRequest) -> Result<PreparedOperation, ServerError> {
        let mut prepared = PreparedOperation {
            document: self.documents.find(request.source)?,
            name: request.name,
            variables: request.variables,
            types: self.types.clone(),
            cost: Cost::default(),
        };
        // If the request does not name one operation, the library refuses to run any.
        if let Some(operation) = prepared.definition() {
            let (variables, types) = (&prepared.variables, &self.types);
            validate_variables(operation, variables, types)?;
            let (document, limits) = (&prepared.document.parsed, &self.app.config.limit);
            prepared.cost = measure_cost(document, operation, variables, types, limits)?;
            #[expect(clippy::cast_precision_loss, reason = "it is no more than the limit")]
            let points = prepared.cost.objects as f64;
            self.app.metrics.operation_cost.observe(points);
        }
        Ok(prepared)
    }
}
