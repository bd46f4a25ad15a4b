//! Traces of the runs, sent to a collector as OTLP over HTTP: the spans of the pipeline and nothing else, neither events nor
//! what the libraries do. Promises that a collector that is slow, away or wrong holds up nobody: spans wait in a bounded
//! queue for a thread of their own, what does not fit is dropped, and how much that was is said at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::trace::{Status, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor,
};
use tracing::warn;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use url::Url;

use super::AnyLayer;
use super::collector::Collector;

/// Spans that wait for the collector: about a kilobyte each, and some seconds of a busy process.
const MOST_WAITING: usize = 8192;
/// Spans in one request.
const BATCH: usize = 512;
/// How long a span waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// Of one batch, what is tried again included.
const EXPORT_LIMIT: Duration = Duration::from_secs(5);
/// How long the end of the program waits for what is left.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// The traces that are on their way.
pub struct Traces {
    provider: SdkTracerProvider,
    tally: Arc<Tally>,
}

impl Traces {
    /// To the collector at this base URL; the layer makes them of spans.
    pub(super) fn start(collector: &Url) -> anyhow::Result<(Self, AnyLayer)> {
        let client = Collector::start(collector).context("traces cannot be sent")?;
        let otlp = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", collector.as_str().trim_end_matches('/')))
            .with_timeout(EXPORT_LIMIT)
            .with_http_client(client)
            .build()
            .context("traces cannot be sent")?;
        let tally = Arc::new(Tally::default());
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(MOST_WAITING)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(LINGER)
            .build();
        let batches = BatchSpanProcessor::builder(Exporter { otlp, tally: tally.clone() });
        let batches = batches.with_batch_config(config).build();
        let resource = Resource::builder()
            .with_service_name(env!("CARGO_PKG_NAME"))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_processor(Counted { batches, tally: tally.clone() })
            .build();
        let spans = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("actors"));
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(spans.with_max_level_hint(LevelFilter::DEBUG));
        Ok((Self { provider, tally }, layer.boxed()))
    }

    /// Sends what is left, for two seconds at the most, and says where not all of it was taken. To be called when no span is
    /// open any more.
    pub fn end(self) {
        // How it went, the tally says.
        let _ = self.provider.shutdown_with_timeout(FLUSH_LIMIT);
        let (spans, taken) = (self.tally.ended.load(Relaxed), self.tally.taken.load(Relaxed));
        if taken < spans {
            warn!(spans, lost = spans - taken, "the collector has not taken all of the traces");
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    ended: AtomicU64,
    taken: AtomicU64,
}

/// Counts what it hands on: batches drop silently what does not fit.
#[derive(Debug)]
struct Counted {
    batches: BatchSpanProcessor,
    tally: Arc<Tally>,
}

impl SpanProcessor for Counted {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.tally.ended.fetch_add(1, Relaxed);
        self.batches.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Marks what failed, sends it all, and counts what was taken.
#[derive(Debug)]
struct Exporter {
    otlp: opentelemetry_otlp::SpanExporter,
    tally: Arc<Tally>,
}

impl SpanExporter for Exporter {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(mark_failure);
        let spans = batch.len() as u64;
        self.otlp.export(batch).await?;
        self.tally.taken.fetch_add(spans, Relaxed);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}

/// The pipeline knows no OpenTelemetry: it gives what failed the attribute `failure`, and a run its status.
fn mark_failure(span: &mut SpanData) {
    let cause = span.attributes.iter().find_map(|KeyValue { key, value, .. }| match key.as_str() {
        "failure" => Some(value.to_string()),
        "status" if value.as_str() == "failed" => Some(value.to_string()),
        _ => None,
    });
    if let Some(cause) = cause {
        span.status = Status::error(cause);
    }
}
