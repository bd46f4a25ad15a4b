//! The settings of `audit`.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use uuid::Uuid;

use super::environment::Environment;
use super::problem::{InvalidConfig, Refusal};
use super::reader::Reader;
use super::setting::{self, audit as s};
use super::{
    DatabaseConfig, LogConfig, ReportFormat, bounded, choice, database, duration, log, number, report, text,
};
use crate::cli::{AuditListArgs, AuditPruneArgs};
use crate::store::AuditFilter;

/// Rows that are shown at most: they are read at once.
const MAX_LISTED: u32 = 10_000;

/// What `audit` needs.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// Which rows.
    pub filter: AuditFilter,
    /// How many at most.
    pub limit: u32,
    /// Where the rows are.
    pub database: DatabaseConfig,
    /// What standard output gets.
    pub report: ReportFormat,
    /// What standard error gets.
    pub log: LogConfig,
}

/// What `audit prune` needs.
#[derive(Clone, Debug)]
pub struct AuditPruneConfig {
    /// What is older is deleted: 30 days to 36,500.
    pub retention: Duration,
    /// Whether to do it without a question.
    pub yes: bool,
    /// Where the rows are.
    pub database: DatabaseConfig,
    /// What standard error gets.
    pub log: LogConfig,
}

impl AuditConfig {
    /// Checks what concerns the list. The account is a filter here, so only its flag counts.
    pub fn load(args: &AuditListArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::with_file(environment, args.file.config.as_deref());
        let what = args.what.iter();
        let filter = AuditFilter {
            account: reader.optional(&setting::ACCOUNT_FILTER, args.account.as_deref(), text::account),
            run: reader.optional(&s::RUN, args.run.as_deref(), run),
            what: what.filter_map(|what| reader.optional(&s::WHAT, Some(what), choice::audited)).collect(),
            since: reader.optional(&s::SINCE, args.since.as_deref(), moment),
            until: reader.optional(&s::UNTIL, args.until.as_deref(), moment),
            before: reader.optional(&s::BEFORE, args.before.as_deref(), row),
        };
        let limit = reader.optional(&s::LIMIT, args.limit.as_deref(), number::whole_u32(1..=MAX_LISTED));
        let database = database(&mut reader, args.database.database_url.as_deref());
        let report = report(&mut reader, args.report.report.as_deref());
        let log = log(&mut reader, &args.log);
        let config = || Some(Self { filter, limit: limit?, database, report: report?, log: log? });
        let config = config();
        reader.finish(config)
    }
}

impl AuditPruneConfig {
    /// Checks what concerns the deletion.
    pub fn load(args: &AuditPruneArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::with_file(environment, args.file.config.as_deref());
        let retention = args.audit_retention.as_deref();
        let retention = reader.optional(&setting::AUDIT_RETENTION, retention, bounded::audit_retention);
        let database = database(&mut reader, args.database.database_url.as_deref());
        let log = log(&mut reader, &args.log);
        let yes = args.yes;
        let config = || Some(Self { retention: retention?, yes, database, log: log? });
        let config = config();
        reader.finish(config)
    }
}

fn run(text: &str) -> Result<Uuid, Refusal> {
    text.parse().map_err(|_| Refusal::new("the id of a run, as `campaign-sync runs` shows it"))
}

fn row(text: &str) -> Result<Uuid, Refusal> {
    text.parse().map_err(|_| Refusal::new("the id of a row, as `campaign-sync audit` shows it"))
}

/// A time with its zone, or how long ago.
fn moment(text: &str) -> Result<SystemTime, Refusal> {
    let time = || SystemTime::try_from(text.parse::<Timestamp>().ok()?).ok();
    let ago = || SystemTime::now().checked_sub(duration::parse(text)?);
    time().or_else(ago).ok_or_else(|| {
        Refusal::new(
            "a time such as 2026-11-26T08:00:00Z, or how long ago, such as 12h or 7d (ms, s, min, h, d)",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())), None)
    }

    #[test]
    fn without_flags_every_row_is_meant_whichever_account_is_to_sync() {
        let environment = environment(&[("CAMPAIGN_SYNC_ACCOUNT", "acme")]);
        let config = AuditConfig::load(&AuditListArgs::default(), &environment).expect("all defaults");
        assert_eq!((config.filter, config.limit), (AuditFilter::default(), 100));
    }

    #[test]
    fn each_value_of_a_filter_is_checked() {
        let args = AuditListArgs {
            account: Some("a b".into()),
            run: Some("newest".into()),
            what: vec!["run_begun".into(), "everything".into()],
            since: Some("yesterday".into()),
            until: Some("2026-11-26".into()),
            before: Some("-1".into()),
            limit: Some("0".into()),
            ..AuditListArgs::default()
        };
        let wrong = AuditConfig::load(&args, &environment(&[])).expect_err("all but one are wrong");
        assert_eq!(wrong.0.len(), 7, "{wrong}");
    }

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        let day = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        assert_eq!(moment("1970-01-02T00:00:00Z"), Ok(day));
        assert_eq!(moment("1970-01-02T02:00:00+02:00"), Ok(day));
        let hour_ago = moment("1h").expect("a duration").elapsed().expect("it has passed");
        assert!((3600..3660).contains(&hour_ago.as_secs()));
        assert!(moment("1y").is_err());
    }

    #[test]
    fn what_is_kept_is_a_year_and_a_month_unless_it_is_said_otherwise() {
        let retention = |flag: Option<&str>, variables: &[(&str, &str)]| {
            let args = AuditPruneArgs { audit_retention: flag.map(Into::into), ..AuditPruneArgs::default() };
            AuditPruneConfig::load(&args, &environment(variables))
                .map(|config| config.retention.as_secs() / 86_400)
        };
        let variable = ("CAMPAIGN_SYNC_AUDIT_RETENTION", "60d");
        assert_eq!(retention(None, &[]), Ok(400));
        assert_eq!(retention(None, &[variable]), Ok(60));
        assert_eq!(retention(Some("36500d"), &[variable]), Ok(36_500));
        for wrong in ["29d", "719h", "36501d", "1y"] {
            assert!(retention(Some(wrong), &[]).is_err(), "{wrong}");
        }
    }
}
