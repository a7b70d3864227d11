//! What operators observe: request ids, logs, metrics, readiness and traces.

mod logs;
pub(crate) mod metrics;
mod readiness;
mod request_id;
#[cfg(feature = "otel")]
mod traces;
mod unpaid;
