//! Sends spans to a collector, if the environment names one.

use std::env;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    ExporterBuildError, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_PROTOCOL_HTTP_PROTOBUF, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, Protocol, SpanExporter as OtlpExporter, WithExportConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

/// The packages whose spans are exported, whatever the log shows.
const TRACED: [&str; 5] = ["coordinator_server", "node_agent", "proto_s3", "proto_session", "zipfleet"];
/// How long the spans that are left may take at the end.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// Sends spans from a thread of its own; those that find its queue full are lost.
#[derive(Debug)]
pub struct Exporter {
    provider: SdkTracerProvider,
}

/// Why no spans are exported although a collector is named.
#[derive(Debug, thiserror::Error)]
pub enum Unexported {
    /// It is to be spoken to in a way that is not known.
    #[error(
        "no traces are exported: OTLP is spoken as http/protobuf alone, not as {0}: set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf, and the endpoint to the collector's port for HTTP, usually 4318"
    )]
    Protocol(String),
    /// It cannot be spoken to as the environment says.
    #[error("no traces are exported: {0}; correct the OTEL_EXPORTER_OTLP_ variables")]
    Settings(#[from] ExporterBuildError),
}

impl Exporter {
    /// An exporter as the environment wants it, for a process that calls itself `service`, and among its like
    /// `instance`, unless told otherwise; `None` when no collector is named.
    ///
    /// # Errors
    /// See [`Unexported`].
    pub fn from_environment(service: &'static str, instance: &str) -> Result<Option<Self>, Unexported> {
        if variable([OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT]).is_none() {
            return Ok(None);
        }
        let protocol = variable([OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, OTEL_EXPORTER_OTLP_PROTOCOL]);
        if let Some(other) = protocol.filter(|protocol| protocol != OTEL_EXPORTER_OTLP_PROTOCOL_HTTP_PROTOBUF)
        {
            return Err(Unexported::Protocol(other));
        }
        let exporter = OtlpExporter::builder().with_http().with_protocol(Protocol::HttpBinary).build()?;
        let exporter = TellsOnce { exporter, has_told: AtomicBool::new(false) };
        let resource = Resource::builder_empty()
            .with_service_name(service)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_detector(Box::new(EnvResourceDetector::new()));
        let resource = match variable(["OTEL_SERVICE_NAME"]) {
            Some(name) => resource.with_service_name(name),
            None => resource,
        };
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter);
        Ok(Some(Self { provider: provider.with_resource(resource.build()).build() }))
    }

    /// The layer that takes spans in, with a filter of its own.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let layer = tracing_opentelemetry::layer().with_tracer(self.provider.tracer("zipfleet"));
        // What costs something for each span and nobody looks at.
        let layer = layer.with_location(false).with_threads(false).with_tracked_inactivity(false);
        // Parents are those of `tracing` alone.
        let layer = layer.with_context_activation(false);
        layer.with_filter(Targets::new().with_targets(TRACED.map(|target| (target, Level::DEBUG))))
    }

    /// Sends what is left, or gives it up after a few seconds. Not to be called by a thread that others wait for.
    pub fn flush(self) {
        // Whoever would have to be told has been, by `TellsOnce`.
        let _ = self.provider.shutdown_with_timeout(FLUSH_WITHIN);
    }
}

/// The first of these variables that is set.
fn variable<const N: usize>(names: [&str; N]) -> Option<String> {
    names.into_iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
}

/// An exporter that says once that it cannot: an unreachable collector must not fill the log.
#[derive(Debug)]
struct TellsOnce {
    exporter: OtlpExporter,
    has_told: AtomicBool,
}

impl SpanExporter for TellsOnce {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exported = self.exporter.export(batch).await;
        if let Err(error) = &exported
            && !self.has_told.swap(true, Relaxed)
        {
            tracing::warn!(%error, "traces cannot be sent, of which nothing more will be said");
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
