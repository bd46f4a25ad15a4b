//! Who is compared, and how each is started.

use std::env;
use std::fmt;
use std::path::Path;
use std::process::Command;

use clap::ValueEnum;
use mock_platform::{EMAIL, PASSWORD};

use crate::regime::Work;
use crate::toolbox::Toolbox;

/// All get the same work, limit and concurrency; batches, retries and how the limit is kept are each contender's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    CampaignSync,
    /// The requests of campaign-sync by its HTTP client in a loop, and nothing done with the answers.
    BareLoop,
    /// Hardly more than the platform's own work.
    RawRequests,
    Asyncio,
    Node,
    Dlt,
    /// With another HTTP client than its own, and so without its retries.
    DltAiohttp,
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Contender::CampaignSync => "campaign-sync",
            Contender::BareLoop => "bare awc loop",
            Contender::RawRequests => "raw requests",
            Contender::Asyncio => "asyncio script",
            Contender::Node => "Node script",
            Contender::Dlt => "dlt",
            Contender::DltAiohttp => "dlt with aiohttp",
        })
    }
}

/// What is there for it.
pub(crate) struct Surroundings<'a> {
    pub(crate) platform: &'a str,
    /// As campaign-sync and all others take it.
    pub(crate) database: &'a str,
    /// Empty, and its own.
    pub(crate) folder: &'a Path,
}

impl Contender {
    /// Whether it stores anything.
    pub(crate) fn stores(self) -> bool {
        !matches!(self, Contender::BareLoop | Contender::RawRequests)
    }

    pub(crate) fn command(
        self,
        work: &Work,
        there: &Surroundings<'_>,
        toolbox: &Toolbox,
    ) -> anyhow::Result<Command> {
        let mut command = match self {
            Contender::CampaignSync => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_campaign-sync"));
                command.args(["run", "--report", "json", "--api-url", there.platform, "--email", EMAIL]);
                command.args([
                    "--rate-limit",
                    &work.limit_text(),
                    "--page-size",
                    &work.page_size.to_string(),
                ]);
                command.args(["--concurrency", &work.concurrency.to_string()]);
                command.env("AD_PLATFORM_PASSWORD", PASSWORD);
                command
            }
            Contender::BareLoop => itself("bare-loop", work, there)?,
            Contender::RawRequests => itself("raw-requests", work, there)?,
            Contender::Asyncio => toolbox.python("asyncio_script.py"),
            Contender::Node => toolbox.node("node_script.mjs"),
            Contender::Dlt => toolbox.python("dlt_pipeline.py"),
            Contender::DltAiohttp => toolbox.python("dlt_async_pipeline.py"),
        };
        command
            .current_dir(there.folder)
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", there.folder)
            .env("DATABASE_URL", there.database)
            .env("API_URL", there.platform)
            .env("API_EMAIL", EMAIL)
            .env("API_PASSWORD", PASSWORD)
            .env("CONCURRENCY", work.concurrency.to_string())
            .env("PAGE_SIZE", work.page_size.to_string())
            .env("RATE_LIMIT", work.limit_text())
            .env("PIPELINES_DIR", there.folder);
        Ok(command)
    }
}

/// This program, which then only makes requests.
fn itself(as_what: &str, work: &Work, there: &Surroundings<'_>) -> anyhow::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args([as_what, there.platform, &work.campaigns.to_string()]);
    command.args([work.page_size.to_string(), work.concurrency.to_string()]);
    Ok(command)
}
