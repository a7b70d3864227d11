//! What operators observe: request ids, logs, metrics, readiness and traces.

mod backup;
mod id;
mod logs;
mod metrics;
mod packaging;
mod ready;
#[cfg(feature = "otel")]
mod traces;
