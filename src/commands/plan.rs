//! `plan`: says what a run would cost before it is made. It asks the platform for a login and one page of the
//! listing, or, told how many campaigns there are, for nothing. What it sends is spent of the limit like a run's
//! requests, and is recorded where there is a database.

mod record;

use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use actors::progress::LimitSource;
use actors::report::LimitKept;
use actors::settings::PipelineSettings;
use actors::{Probe, probe};
use anyhow::{Context, anyhow};

use self::record::Record;
use crate::config::{Campaigns, PlanConfig, ReportFormat};
use crate::estimate::{Conditions, estimate};
use crate::plan_report::PlanReport;
use crate::syncer::{client, pipeline_settings};

/// Exit code 0; 1, by an error, where the platform could not be asked, or a run is at work on the account.
pub async fn run(config: PlanConfig) -> anyhow::Result<ExitCode> {
    let mut settings = pipeline_settings(&config.account, config.request_timeout, &config.pipeline);
    let asked = ask(&config, &settings).await?;
    settings.rate_limits = asked.limits.iter().map(|kept| kept.limit).collect();
    let conditions = Conditions {
        failure_rate: config.failure_rate,
        sync_latency: config.latency,
        // A platform that is not available says so at once.
        failure_latency: Duration::ZERO,
        list_latency: asked.latency,
    };
    let estimate = estimate(&settings, asked.campaigns, &conditions);
    let report = PlanReport {
        settings: &settings,
        campaigns: asked.campaigns,
        conditions: &conditions,
        estimate: &estimate,
        every: config.every,
        limits: &asked.limits,
        spent: asked.requests,
        unrecorded: asked.unrecorded,
    };
    let text = match config.report {
        ReportFormat::Json => report.json().to_string() + "\n",
        ReportFormat::Table => report.table(),
    };
    // Somebody who has closed standard output has seen enough.
    let _ = write!(io::stdout(), "{text}");
    Ok(ExitCode::SUCCESS)
}

struct Asked {
    campaigns: u64,
    latency: Duration,
    requests: u64,
    limits: Vec<LimitKept>,
    unrecorded: Option<&'static str>,
}

async fn ask(config: &PlanConfig, settings: &PipelineSettings) -> anyhow::Result<Asked> {
    let platform = match &config.campaigns {
        // A page that nobody has fetched is taken for quick.
        Campaigns::Given(campaigns) => {
            let source =
                if settings.adopt_stated_limits { LimitSource::Assumed } else { LimitSource::Configured };
            let limits =
                settings.rate_limits.iter().map(|limit| LimitKept { limit: *limit, source }).collect();
            let (campaigns, latency) = (*campaigns, Duration::ZERO);
            return Ok(Asked { campaigns, latency, requests: 0, limits, unrecorded: None });
        }
        Campaigns::AsListedBy(platform) => platform,
    };
    let client = Rc::new(client(platform, &config.authorities)?);
    let record = record::open(&config.database, &settings.account).await?;
    let answer = probe(settings, client, record.as_ref().ok().map(Record::of_probe)).await;
    let unrecorded = match record {
        Ok(record) => {
            record.close().await;
            None
        }
        Err(because) => Some(because),
    };
    let Probe { total, latency, requests, limits } = answer
        .map_err(|cause| anyhow!("{} could not be asked for its campaigns: {cause}", platform.api_url))?;
    let campaigns = total.with_context(|| {
        format!("{} does not say how many campaigns there are: give --campaigns", platform.api_url)
    })?;
    let limits = limits.into_iter().map(LimitKept::from).collect();
    Ok(Asked { campaigns, latency, requests, limits, unrecorded })
}
