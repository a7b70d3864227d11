//! Traces by OTLP: requests, their operations and the operations' statements go to the collector
//! that the environment names.

use std::{collections::HashMap, env, time::Duration};

use opentelemetry::{
    propagation::TextMapPropagator,
    trace::{Status, TracerProvider},
};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, Registry, filter::dynamic_filter_fn};

/// The variables that say where the collector is. Without one there are no traces.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];
/// How long the collector may take for the last traces.
const PATIENCE: Duration = Duration::from_secs(3);
/// The library whose spans are statements.
const STATEMENTS: &str = "sea_orm";

/// Sends traces until it is dropped.
pub(crate) struct Traces(SdkTracerProvider);

/// A layer of the log.
type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts to send traces, if the environment says where to.
pub(crate) fn start() -> Result<Option<(Traces, BoxedLayer)>, ExporterBuildError> {
    let is_set = |name| env::var(name).is_ok_and(|value: String| !value.is_empty());
    if !ENDPOINTS.into_iter().any(is_set) {
        return Ok(None);
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .build()?;
    // Reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
    let mut resource = Resource::builder();
    let attributes = env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    if !is_set("OTEL_SERVICE_NAME") && !attributes.contains("service.name=") {
        resource = resource.with_service_name(env!("CARGO_PKG_NAME"));
    }
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_batch_exporter(exporter)
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(env!("CARGO_PKG_NAME")))
        .with_location(false)
        .with_threads(false)
        .with_filter(dynamic_filter_fn(|metadata, around| {
            // The feed polls forty times a second, and its statements belong to no request.
            let is_statement = is_statement(metadata) && around.lookup_current().is_some();
            metadata.is_span()
                && (is_statement || metadata.target().starts_with("buildbot_graphql"))
        }));
    Ok(Some((Traces(provider), layer.boxed())))
}

/// Whether this is the span of a statement. The log leaves those out.
pub(crate) fn is_statement(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with(STATEMENTS)
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Makes a request's span part of the trace that its headers name, if they do.
pub(crate) fn link_parent<'h>(span: &Span, header: impl Fn(&str) -> Option<&'h str>) {
    let carried: HashMap<String, String> = ["traceparent", "tracestate"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), header(name)?.to_owned())))
        .collect();
    if carried.is_empty() {
        return;
    }
    let parent = TraceContextPropagator::new().extract(&carried);
    if let Err(error) = span.set_parent(parent) {
        tracing::debug!(%error, "a span without its parent");
    }
}

/// Records in a request's span what it was and how it was answered.
pub(crate) fn record_response(span: &Span, method: &str, route: &str, status: u16) {
    span.set_attribute("http.request.method", method.to_owned());
    span.set_attribute("http.route", route.to_owned());
    span.set_attribute("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.set_status(Status::error("a server error"));
    }
}
