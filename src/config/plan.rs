//! The settings of `plan`: those of `run`, and what is to be assumed.

use std::time::Duration;

use actors::model::AccountId;

use super::account::{pipeline, platform, select, without_login};
use super::bounded::LONGEST_TIMEOUT;
use super::environment::Environment;
use super::problem::{InvalidConfig, Problem};
use super::reader::{Reader, Selected};
use super::setting::{self, plan as s};
use super::{
    DatabaseConfig, LogConfig, PipelineConfig, PlatformConfig, ReportFormat, authorities, database, duration,
    log, number, report,
};
use crate::cli::{PlanArgs, PlatformArgs};
use crate::tls::Authorities;

/// More than any account has, so this is only against slips of the pen.
const MAX_CAMPAIGNS: u64 = 1_000_000_000;
/// A schedule is at most as long as the longest window.
const SHORTEST_SCHEDULE: Duration = Duration::from_secs(1);
const LONGEST_SCHEDULE: Duration = Duration::from_secs(31 * 86_400);

/// What `plan` needs.
#[derive(Clone, Debug)]
pub struct PlanConfig {
    /// Whose run.
    pub account: AccountId,
    /// Of how many campaigns.
    pub campaigns: Campaigns,
    /// Authorities of one's own, which are believed beside the system's.
    pub authorities: Authorities,
    /// How the pipeline would work.
    pub pipeline: PipelineConfig,
    /// Of one attempt, connect to last byte: 10 ms to 10 min.
    pub request_timeout: Duration,
    /// How long a sync is assumed to take.
    pub latency: Duration,
    /// The share of requests that is assumed to fail, 0 to 1.
    pub failure_rate: f64,
    /// The schedule to check.
    pub every: Option<Duration>,
    /// Where what is sent for the plan is recorded, if it is there.
    pub database: DatabaseConfig,
    /// What standard output gets.
    pub report: ReportFormat,
    /// What standard error gets.
    pub log: LogConfig,
}

/// How many campaigns there are.
#[derive(Clone, Debug)]
pub enum Campaigns {
    /// So many: nothing is sent.
    Given(u64),
    /// What this platform says.
    AsListedBy(Box<PlatformConfig>),
}

impl PlanConfig {
    /// Checks everything, sends nothing.
    pub fn load(args: &PlanArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::with_file(environment, args.file.config.as_deref());
        let selected = only_one(&mut reader, &args.platform);
        let flag = args.campaigns.as_deref();
        let (account, request_timeout, campaigns) = match selected {
            None => (None, None, None),
            Some(selected) if flag.is_some() => {
                let given = reader.optional(&s::CAMPAIGNS, flag, number::whole(0..=MAX_CAMPAIGNS));
                let (account, timeout) = without_login(&mut reader, selected, &args.platform);
                (account, timeout, given.map(Campaigns::Given))
            }
            Some(selected) => {
                let platform = platform(&mut reader, selected, &args.platform);
                let (account, timeout) =
                    platform.as_ref().map(|p| (p.account.clone(), p.request_timeout)).unzip();
                (account, timeout, platform.map(|platform| Campaigns::AsListedBy(Box::new(platform))))
            }
        };
        let authorities = authorities(&mut reader, args.platform.ca_file.as_deref());
        let pipeline = pipeline(&mut reader, &args.pipeline);
        let latency = duration::within(Duration::ZERO..=LONGEST_TIMEOUT);
        let latency = reader.optional(&s::LATENCY, args.latency.as_deref(), latency);
        let failure_rate = reader.optional(&s::FAILURE_RATE, args.failure_rate.as_deref(), number::share);
        let schedule = duration::within(SHORTEST_SCHEDULE..=LONGEST_SCHEDULE);
        let every = reader.optional(&s::EVERY, args.every.as_deref(), schedule);
        let database = database(&mut reader, args.database.database_url.as_deref());
        let report = report(&mut reader, args.report.report.as_deref());
        let log = log(&mut reader, &args.log);
        let config = || {
            Some(Self {
                account: account?,
                campaigns: campaigns?,
                authorities,
                pipeline: pipeline?,
                request_timeout: request_timeout?,
                latency: latency?,
                failure_rate: failure_rate?,
                every,
                database,
                report: report?,
                log: log?,
            })
        };
        let config = config();
        reader.finish(config)
    }
}

/// A plan is one account's.
fn only_one(reader: &mut Reader<'_>, args: &PlatformArgs) -> Option<Selected> {
    let selected = select(reader, args);
    if selected.len() > 1 {
        let (accounts, path) = reader.file();
        let ways = format!("{path} has {accounts} accounts, and a plan is for one of them");
        reader.refuse(Problem::Missing { setting: setting::ACCOUNT.flag.to_owned(), at: None, ways });
        return None;
    }
    selected.first().copied()
}
