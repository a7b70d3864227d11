//! The turn of an operation or a REST request to run: a caller runs so many at once.

use tokio::time::Instant;

use crate::{
    app::{App, deadline::Deadline},
    auth::request_context::RequestContext,
    domain::error::Result,
    metrics::{
        Metrics,
        labels::{WaitFor, WaitLabel, WaitLabels},
    },
    rate_limit::operations::OperationPermit,
};

impl App {
    /// Waits until the caller runs few enough operations, in the order in which they came.
    ///
    /// # Errors
    /// `TooManyAtOnce` where too many of them wait, `LimitExceeded` at the deadline.
    pub(crate) async fn turn(
        &self,
        context: &RequestContext,
        deadline: Deadline,
    ) -> Result<OperationPermit> {
        let mut wait = OperationWait {
            metrics: &self.metrics,
            begun: Instant::now(),
            outcome: WaitLabel::Left,
        };
        let acquired = deadline.keep(self.rate_limiter.acquire_operation(context));
        match acquired.await {
            Ok(Ok(permit)) => {
                wait.outcome = WaitLabel::Served;
                Ok(permit)
            }
            Ok(Err(full)) => {
                wait.outcome = WaitLabel::Refused;
                Err(full)
            }
            Err(_) => {
                wait.outcome = WaitLabel::TimedOut;
                Err(deadline.waited_for_own())
            }
        }
    }
}

/// Observes how a wait ends.
struct OperationWait<'m> {
    metrics: &'m Metrics,
    begun: Instant,
    outcome: WaitLabel,
}

impl Drop for OperationWait<'_> {
    fn drop(&mut self) {
        let labels = WaitLabels::new(WaitFor::Operation, self.outcome);
        let seconds = self.metrics.wait_seconds.get_or_create(&labels);
        seconds.observe(self.begun.elapsed().as_secs_f64());
    }
}
