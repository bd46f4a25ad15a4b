//! The settings of `dead-letters`.

use actors::model::{AccountId, LetterFilter};

use super::environment::Environment;
use super::problem::{InvalidConfig, Problem};
use super::reader::Reader;
use super::setting::{self, dead_letters as s};
use super::{
    DatabaseConfig, LogConfig, PipelineConfig, ReportFormat, RunConfig, accounts, authorities, choice,
    database, log, max_in_flight, number, otlp_endpoint, report, text,
};
use crate::cli::{DiscardArgs, LetterFilterArgs, ListArgs, ReplayArgs};

/// Dead letters that `list` shows at most: they are read at once.
const MAX_LISTED: u32 = 10_000;

/// What `dead-letters list` needs.
#[derive(Clone, Debug)]
pub struct ListConfig {
    /// None: the dead letters of all accounts.
    pub account: Option<AccountId>,
    /// Which of them.
    pub filter: LetterFilter,
    /// How many at most.
    pub limit: u32,
    /// Where the rows are.
    pub database: DatabaseConfig,
    /// What standard output gets.
    pub report: ReportFormat,
    /// What standard error gets.
    pub log: LogConfig,
}

/// What `dead-letters discard` needs.
#[derive(Clone, Debug)]
pub struct DiscardConfig {
    /// None: the dead letters of all accounts.
    pub account: Option<AccountId>,
    /// Which of them.
    pub filter: LetterFilter,
    /// Whether to do it without a question.
    pub yes: bool,
    /// Where the rows are.
    pub database: DatabaseConfig,
    /// What standard error gets.
    pub log: LogConfig,
}

impl ListConfig {
    /// Checks what concerns the list.
    pub fn load(args: &ListArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::with_file(environment, args.file.config.as_deref());
        let account = reader.optional(&setting::ACCOUNT_FILTER, args.account.as_deref(), text::account);
        let filter = filter(&mut reader, &args.filter);
        let limit = reader.optional(&s::LIMIT, args.limit.as_deref(), number::whole_u32(1..=MAX_LISTED));
        let database = database(&mut reader, args.database.database_url.as_deref());
        let report = report(&mut reader, args.report.report.as_deref());
        let log = log(&mut reader, &args.log);
        let config = || Some(Self { account, filter, limit: limit?, database, report: report?, log: log? });
        let config = config();
        reader.finish(config)
    }
}

impl DiscardConfig {
    /// Checks what concerns the deletion. What is meant has to be said: all of it, too.
    pub fn load(args: &DiscardArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::with_file(environment, args.file.config.as_deref());
        let account = reader.optional(&setting::ACCOUNT_FILTER, args.account.as_deref(), text::account);
        if !args.all
            && args.account.is_none()
            && args.filter.campaign.is_empty()
            && args.filter.class.is_empty()
        {
            let ways = "give --account, --campaign or --class, or --all for every dead letter".to_owned();
            reader.refuse(Problem::Missing { setting: "a filter".to_owned(), at: None, ways });
        }
        let filter = filter(&mut reader, &args.filter);
        let database = database(&mut reader, args.database.database_url.as_deref());
        let log = log(&mut reader, &args.log);
        let yes = args.yes;
        let config = || Some(Self { account, filter, yes, database, log: log? });
        let config = config();
        reader.finish(config)
    }
}

impl RunConfig {
    /// Checks everything, sends nothing.
    pub fn for_replay(args: &ReplayArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::with_file(environment, args.file.config.as_deref());
        let filter = filter(&mut reader, &args.filter);
        let accounts = accounts(&mut reader, &args.platform, &args.pipeline, None, |pipeline| {
            PipelineConfig { replay: Some(filter.clone()), ..pipeline }
        });
        let authorities = authorities(&mut reader, args.platform.ca_file.as_deref());
        let max_in_flight = max_in_flight(&mut reader, args.max_in_flight.as_deref());
        let database = database(&mut reader, args.database.database_url.as_deref());
        let report = report(&mut reader, args.report.report.as_deref());
        let log = log(&mut reader, &args.log);
        let otlp_endpoint = otlp_endpoint(&mut reader, &args.traces);
        let migrate = !args.no_migrate;
        let config = || {
            Some(Self {
                accounts: accounts?,
                authorities,
                max_in_flight: max_in_flight?,
                database,
                report: report?,
                log: log?,
                otlp_endpoint,
                migrate,
            })
        };
        let config = config();
        reader.finish(config)
    }
}

/// A value that is wrong is reported, and missing here.
fn filter(reader: &mut Reader<'_>, args: &LetterFilterArgs) -> LetterFilter {
    let campaigns = args.campaign.iter();
    let campaigns = campaigns.filter_map(|id| reader.optional(&s::CAMPAIGN, Some(id), text::campaign));
    let campaigns = campaigns.collect();
    let classes = args.class.iter();
    let classes = classes.filter_map(|class| reader.optional(&s::CLASS, Some(class), choice::failure_class));
    LetterFilter { campaigns, classes: classes.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment::new([("CAMPAIGN_SYNC_ACCOUNT".into(), "acme".into())], None)
    }

    fn filter_args(campaigns: &[&str], classes: &[&str]) -> LetterFilterArgs {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        LetterFilterArgs { campaign: owned(campaigns), class: owned(classes) }
    }

    #[test]
    fn the_account_of_the_environment_is_no_filter() {
        let config = ListConfig::load(&ListArgs::default(), &environment()).expect("all defaults");
        assert_eq!((config.account, config.limit, config.filter), (None, 100, LetterFilter::default()));
        let all = DiscardArgs { all: true, ..DiscardArgs::default() };
        assert_eq!(DiscardConfig::load(&all, &environment()).expect("it is said").account, None);
    }

    #[test]
    fn what_is_to_be_discarded_has_to_be_said() {
        let problems =
            |args: DiscardArgs| DiscardConfig::load(&args, &environment()).map_err(|error| error.0.len());
        assert_eq!(problems(DiscardArgs { yes: true, ..DiscardArgs::default() }).err(), Some(1));
        for args in [
            DiscardArgs { account: Some("a".into()), ..DiscardArgs::default() },
            DiscardArgs { filter: filter_args(&["c"], &[]), ..DiscardArgs::default() },
            DiscardArgs { filter: filter_args(&[], &["timeout"]), ..DiscardArgs::default() },
        ] {
            assert!(problems(args).is_ok());
        }
    }

    #[test]
    fn each_value_of_a_filter_is_checked() {
        let args = ListArgs {
            filter: filter_args(&["c", "", "d"], &["timeout", "slow", "malformed", "late"]),
            limit: Some("10001".into()),
            ..ListArgs::default()
        };
        assert_eq!(ListConfig::load(&args, &environment()).err().map(|error| error.0.len()), Some(4));
        let args = ListArgs { filter: filter_args(&["c", "d"], &["timeout"]), ..ListArgs::default() };
        let filter = ListConfig::load(&args, &environment()).expect("all right").filter;
        let classes = vec![actors::model::FailureClass::Timeout];
        assert_eq!(filter, LetterFilter { campaigns: vec!["c".into(), "d".into()], classes });
    }
}
