//! Turns a request into an operation that may run: checks the caller, the document, the variables
//! and the cost. Nothing that is refused here has been executed.

use std::{sync::Arc, time::Instant};

use async_graphql::ServerError;
use serde_json::{Map, Value as Json};

use crate::{
    auth::request_context::RequestContext,
    domain::idempotency_key::IdempotencyKey,
    graphql::{
        api::Api,
        execute::{errors::from_error, outcome::Refusal, panic_boundary::catch_now},
        prepare::{
            canonical::lower,
            cost::measure_cost,
            documents::{KnownDocument, OperationRequest},
            introspection::Introspection,
            operation::PreparedOperation,
            plans::Plans,
            variables::{Variables, coerce_variables},
        },
    },
    metrics::labels::{OperationLabel, OutcomeLabel},
    rate_limit::limiter::MIN_COST,
};

/// The points that a refused document costs, because it was read.
pub(crate) const REFUSED_POINTS: u64 = 10;

impl Api {
    /// Admits a caller that may read, before anything else of its request is read.
    pub(crate) fn admit_caller(&self, context: &RequestContext) -> Result<(), Refusal> {
        let begun = Instant::now();
        let admitted = self.app.rate_limiter.admit(context);
        admitted.map_err(|error| self.record_refusal(Refusal::admission(error), context, begun))
    }

    /// Prepares an operation, or returns why it must not run.
    pub(crate) fn prepare(
        &self,
        request: OperationRequest,
        context: &RequestContext,
    ) -> Result<Arc<PreparedOperation>, Refusal> {
        let begun = Instant::now();
        let admitted = catch_now(|| self.admit(request, context));
        let admitted = admitted.unwrap_or_else(|panic| Err(from_error(&panic).into()));
        admitted.map_err(|refusal| self.record_refusal(refusal, context, begun))
    }

    /// Counts a refusal, and signs its errors.
    pub(crate) fn record_refusal(
        &self,
        mut refusal: Refusal,
        context: &RequestContext,
        begun: Instant,
    ) -> Refusal {
        let (kind, outcome) = (OperationLabel::Unknown, OutcomeLabel::Refused);
        let metrics = &self.app.metrics;
        metrics.record_operation(kind, outcome, begun.elapsed());
        self.error_signer(context).sign(&mut refusal.errors);
        refusal
    }

    fn admit(
        &self,
        request: OperationRequest,
        context: &RequestContext,
    ) -> Result<Arc<PreparedOperation>, Refusal> {
        let limiter = &self.app.rate_limiter;
        limiter.admit(context).map_err(Refusal::admission)?;
        let operation = self.measure(request);
        let points = points_of(&operation);
        // A caller without points gets that error, and not the document's.
        let spent = limiter.spend(context, points);
        spent.map_err(Refusal::admission)?;
        Ok(operation?)
    }

    /// Finds the document, coerces the variables, lowers the operation and measures its cost.
    pub(crate) fn measure(
        &self,
        request: OperationRequest,
    ) -> Result<Arc<PreparedOperation>, Vec<ServerError>> {
        let known = self.documents.find(request.source)?;
        let (name, given) = (request.name.as_deref(), &request.variables);
        let measured = self.lower(&known, name, given, request.idempotency_key);
        let operation = measured.map_err(|error| vec![error])?;
        #[expect(clippy::cast_precision_loss, reason = "about how many is enough")]
        let points = operation.cost.points() as f64;
        self.app.metrics.operation_cost.observe(points);
        Ok(operation)
    }

    fn lower(
        &self,
        KnownDocument { document, last }: &KnownDocument,
        name: Option<&str>,
        given: &Map<String, Json>,
        key: Option<IdempotencyKey>,
    ) -> Result<Arc<PreparedOperation>, ServerError> {
        let (types, limits) = (&self.types, &self.app.config.limit);
        let operation = document.operation(name)?;
        let suggests = !limits.no_introspection;
        let values = coerce_variables(operation, given, types, suggests, &document.positions)?;
        if let Some(prepared) = last.get(operation.name.as_ref(), &values) {
            return Ok(prepared);
        }
        let variables = Variables::new(values, limits.max_document_bytes);
        let mut canonical = lower(document, operation, &variables, types)?;
        let cost = measure_cost(&canonical, types, limits)?;
        let introspection = Introspection::of(document, operation, &canonical, &variables)?;
        let prepared = Arc::new(PreparedOperation {
            name: operation.name.as_ref().map(ToString::to_string),
            introspection,
            plans: Arc::new(Plans::of(&mut canonical)),
            canonical,
            cost,
            idempotency_key: key.filter(|_| operation.is_mutation()),
        });
        last.put(variables.values, &prepared, document.tokens);
        Ok(prepared)
    }
}

/// The points that an operation costs.
pub(crate) fn points_of<E>(measured: &Result<Arc<PreparedOperation>, E>) -> u64 {
    match measured {
        Ok(operation) => operation.cost.points().max(MIN_COST),
        Err(_) => REFUSED_POINTS,
    }
}
