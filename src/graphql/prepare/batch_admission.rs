//! Admits a batch: its operations are judged together before any of them runs, so that a batch can
//! do no more than one operation.

use std::{sync::Arc, time::Instant};

use async_graphql::ServerError;

use crate::{
    auth::request_context::RequestContext,
    config::limit::LimitConfig,
    domain::error::Error,
    graphql::{
        api::Api,
        execute::{errors::from_error, outcome::Refusal, panic_boundary::catch_now},
        prepare::{
            admission::{REFUSED_POINTS, points_of},
            cost::Cost,
            documents::OperationRequest,
            operation::PreparedOperation,
        },
    },
};

/// The operations of a batch, each prepared or refused by itself.
pub(crate) type PreparedBatch = Vec<Result<Arc<PreparedOperation>, Refusal>>;

impl Api {
    /// Prepares the operations of a batch, or returns why none of them may run: the caller, or what
    /// they cost together.
    pub(crate) fn prepare_batch(
        &self,
        requests: Vec<Result<OperationRequest, ServerError>>,
        context: &RequestContext,
    ) -> Result<PreparedBatch, Refusal> {
        let begun = Instant::now();
        let batch = self.admit_batch(requests, context);
        let refused = |refusal| self.record_refusal(refusal, context, begun);
        let batch = batch.map_err(refused)?;
        Ok(batch.into_iter().map(|one| one.map_err(refused)).collect())
    }

    fn admit_batch(
        &self,
        requests: Vec<Result<OperationRequest, ServerError>>,
        context: &RequestContext,
    ) -> Result<PreparedBatch, Refusal> {
        let limiter = &self.app.rate_limiter;
        limiter.admit(context).map_err(Refusal::admission)?;
        let measured = requests
            .into_iter()
            .map(|request| self.measure_one(request));
        let batch: PreparedBatch = measured.collect();
        let refusal = check_total(&batch, &self.app.config.limit).err();
        let points = match &refusal {
            None => batch.iter().map(points_of).sum(),
            Some(_) => REFUSED_POINTS.saturating_mul(batch.len() as u64),
        };
        let spent = limiter.spend(context, points);
        spent.map_err(Refusal::admission)?;
        refusal.map_or(Ok(batch), |error| Err(from_error(&error).into()))
    }

    fn measure_one(
        &self,
        request: Result<OperationRequest, ServerError>,
    ) -> Result<Arc<PreparedOperation>, Refusal> {
        let request = request?;
        let measured = catch_now(|| self.measure(request));
        Ok(measured.unwrap_or_else(|panic| Err(vec![from_error(&panic)]))?)
    }
}

/// Fails if the operations may together return more than one operation may.
fn check_total(batch: &PreparedBatch, limits: &LimitConfig) -> Result<(), Error> {
    let mut total = Cost::default();
    for operation in batch.iter().flatten() {
        total += operation.cost;
    }
    for (limit, max, asked) in [
        ("max-cost", limits.max_cost, total.objects),
        ("max-values", limits.max_values, total.values),
    ] {
        if asked > max {
            return Err(Error::LimitExceeded {
                limit,
                max,
                asked: Some(asked),
                advice: "the operations of a batch count together; send fewer at once",
            });
        }
    }
    Ok(())
}
