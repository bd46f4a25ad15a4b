//! The flags of `audit`.

use clap::{Args, Subcommand};

use super::{DatabaseArgs, FileArgs, LogArgs, ReportArgs};

/// `audit`, which lists, and what else can be done.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AuditArgs {
    #[command(subcommand)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the command")]
    pub command: Option<AuditCommand>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub list: AuditListArgs,
}

/// What else can be done with the audit log.
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Delete what is older than the retention, after a question; for the owner of the tables
    Prune(AuditPruneArgs),
}

/// Flags of `audit`.
#[derive(Args, Default)]
pub struct AuditListArgs {
    /// Only what is about this account alone, which a batch of several is not
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// Only what is about this run alone; the row of its end counts its batches
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
    /// Only this: run_begun, run_resumed, replay_begun, run_ended, batch_committed, letters_forgotten, letters_discarded,
    /// account_paused, account_resumed, run_requested, replay_requested, configuration_loaded, configuration_reloaded,
    /// migration_applied or audit_pruned; repeatable
    #[arg(long, value_name = "WHAT")]
    pub what: Vec<String>,
    /// Only from then on: a time such as 2026-11-26T08:00:00Z, or how long ago, such as 12h or 7d
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what was before then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only what is older than this row: the next page
    #[arg(long, value_name = "ID")]
    pub before: Option<String>,
    /// How many, the newest first [default: 100]
    #[arg(long, value_name = "N")]
    pub limit: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub file: FileArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub report: ReportArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub log: LogArgs,
}

/// Flags of `audit prune`.
#[derive(Args, Default)]
pub struct AuditPruneArgs {
    /// How long rows of the audit log are kept [env: CAMPAIGN_SYNC_AUDIT_RETENTION] [default: 400d]
    #[arg(long, value_name = "DURATION")]
    pub audit_retention: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub file: FileArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub log: LogArgs,
}
