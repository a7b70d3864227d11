//! The turn of an operation or a REST request to run: a caller runs so many at once.

use tokio::time::Instant;

use crate::{
    app::{App, deadline::Deadline},
    auth::request_context::RequestContext,
    domain::error::Result,
    memory::ExpectedMemory,
    metrics::{
        Metrics,
        labels::{WaitFor, WaitLabel, WaitLabels},
    },
    rate_limit::operations::OperationPermit,
};

/// What an operation or a request holds while it runs.
pub(crate) struct OperationTurn {
    _permit: OperationPermit,
    _memory: ExpectedMemory,
}

impl App {
    /// Waits until the caller runs few enough operations, and they leave this one so many bytes of
    /// memory, in the order in which they came.
    ///
    /// # Errors
    /// `TooManyAtOnce` where too many of them wait, `OutOfMemory` where the server has none,
    /// `LimitExceeded` at the deadline.
    pub(crate) async fn turn(
        &self,
        context: &RequestContext,
        deadline: Deadline,
        bytes: usize,
    ) -> Result<OperationTurn> {
        let mut wait = OperationWait {
            metrics: &self.metrics,
            begun: Instant::now(),
            outcome: WaitLabel::Left,
        };
        let limiter = &self.rate_limiter;
        let acquired = deadline.keep(async {
            let permit = limiter.acquire_operation(context).await?;
            let memory = limiter.memory(context).expect(bytes).await?;
            Ok(OperationTurn {
                _permit: permit,
                _memory: memory,
            })
        });
        match acquired.await {
            Ok(Ok(turn)) => {
                wait.outcome = WaitLabel::Served;
                Ok(turn)
            }
            Ok(Err(refusal)) => {
                wait.outcome = WaitLabel::Refused;
                Err(refusal)
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
