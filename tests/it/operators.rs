//! What operators have: names of requests, logs, metrics, readiness, traces, backups, and what is in `packaging/`.

mod backup;
mod id;
mod logs;
mod metrics;
mod packaging;
mod ready;
#[cfg(feature = "otel")]
mod traces;
