//! The settings of `dead-letters`.

use actors::model::{AccountId, LetterFilter};

use super::environment::Environment;
use super::problem::{InvalidConfig, Problem};
use super::reader::Reader;
use super::setting::{self, dead_letters as s};
use super::{DatabaseConfig, LogConfig, ReportFormat, choice, database, log, number, report, text};
use crate::cli::{DiscardArgs, LetterFilterArgs, ListArgs};

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
        let mut reader = Reader::new(environment);
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
        let mut reader = Reader::new(environment);
        let account = reader.optional(&setting::ACCOUNT_FILTER, args.account.as_deref(), text::account);
        if !args.all
            && args.account.is_none()
            && args.filter.campaign.is_empty()
            && args.filter.class.is_empty()
        {
            let ways = "give --account, --campaign or --class, or --all for every dead letter".to_owned();
            reader.refuse(Problem::Missing { setting: "a filter".to_owned(), ways });
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

/// A value that is wrong is reported, and missing here.
pub(super) fn filter(reader: &mut Reader<'_>, args: &LetterFilterArgs) -> LetterFilter {
    let campaigns = args.campaign.iter();
    let campaigns = campaigns.filter_map(|id| reader.optional(&s::CAMPAIGN, Some(id), text::campaign));
    let campaigns = campaigns.collect();
    let classes = args.class.iter();
    let classes = classes.filter_map(|class| reader.optional(&s::CLASS, Some(class), choice::failure_class));
    LetterFilter { campaigns, classes: classes.collect() }
}
