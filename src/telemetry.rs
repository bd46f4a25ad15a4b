//! Logs, on standard error only: pretty for people, JSON for machines; and, of a build with the feature `otlp`, traces of
//! the runs for a collector. Both are made of the same spans; what a log's level leaves out can be in a trace. So each has a
//! filter of its own, and nobody may ask `enabled!` or `span_enabled!`: with two filters, the answer spoils the next line.

#[cfg(feature = "otlp")]
mod collector;
mod pretty_fields;
#[cfg(feature = "otlp")]
mod traces;

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};
use url::Url;

use self::pretty_fields::pretty_fields;
pub use self::traces::Traces;
use crate::config::LogFormat;
use crate::standard_error::StandardError;

type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Sets up logging for the whole process, and traces where a collector is to have them. These have to be ended.
pub fn start(
    format: LogFormat,
    level: &str,
    collector: Option<&Url>,
    stderr: &StandardError,
) -> anyhow::Result<Option<Traces>> {
    let filter = filter(level).with_context(|| format!("the log level {level:?} does not parse"))?;
    let logs = fmt::layer().with_writer(stderr.clone());
    let logs = match format {
        LogFormat::Json => logs.json().flatten_event(true).with_filter(filter).boxed(),
        LogFormat::Pretty => logs
            .with_target(false)
            .with_ansi(io::stderr().is_terminal())
            .fmt_fields(pretty_fields())
            .with_filter(filter)
            .boxed(),
    };
    let (traces, layer) = collector.map(Traces::start).transpose()?.unzip();
    let layers: Vec<AnyLayer> = [logs].into_iter().chain(layer).collect();
    tracing_subscriber::registry()
        .with(layers)
        .try_init()
        .map_err(|error| anyhow::anyhow!("logging could not be set up: {error}"))?;
    Ok(traces)
}

/// A level alone is compared and nothing else; the other filter has its own record of the spans that are entered.
fn filter(level: &str) -> anyhow::Result<Box<dyn Filter<Registry> + Send + Sync>> {
    Ok(match level.parse::<LevelFilter>() {
        Ok(level) => Box::new(level),
        Err(_) => Box::new(EnvFilter::try_new(level)?),
    })
}

#[cfg(not(feature = "otlp"))]
mod traces {
    use super::{AnyLayer, Url};

    /// There are none of a build without the feature; the configuration has said so.
    pub enum Traces {}

    impl Traces {
        pub(super) fn start(_: &Url) -> anyhow::Result<(Self, AnyLayer)> {
            anyhow::bail!("this build sends no traces")
        }

        /// Never called.
        pub fn end(self) {
            match self {}
        }
    }
}
