//! The flags of `dead-letters`.

use clap::{Args, Subcommand};

use super::{DatabaseArgs, FileArgs, LogArgs, PipelineArgs, PlatformArgs, ReportArgs, TraceArgs};

/// What to do with dead letters.
#[derive(Subcommand)]
pub enum DeadLettersCommand {
    /// List them, the newest failure first
    List(ListArgs),
    /// Try them again, as a run of their own
    Replay(Box<ReplayArgs>),
    /// Delete them, after a question
    Discard(DiscardArgs),
}

/// Which dead letters are meant, beside their account.
#[derive(Args, Default)]
pub struct LetterFilterArgs {
    /// Only those of this campaign; repeatable
    #[arg(long, value_name = "ID")]
    pub campaign: Vec<String>,
    /// Only those of this class of error: timeout, connection, unavailable, unparsable, rejected, throttled,
    /// unauthorized, malformed, unstorable or panicked; repeatable
    #[arg(long, value_name = "CLASS")]
    pub class: Vec<String>,
}

/// Flags of `dead-letters list`.
#[derive(Args, Default)]
pub struct ListArgs {
    /// Only those of this account
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub file: FileArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub filter: LetterFilterArgs,
    /// How many, the newest failure first [default: 100]
    #[arg(long, value_name = "N")]
    pub limit: Option<String>,
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

/// Flags of `dead-letters replay`: those of `run`, and which.
#[derive(Args, Default)]
pub struct ReplayArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub file: FileArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub filter: LetterFilterArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub platform: PlatformArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub pipeline: PipelineArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub report: ReportArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub log: LogArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub traces: TraceArgs,
    /// Requests of all accounts together that are under way at once [env: CAMPAIGN_SYNC_MAX_IN_FLIGHT] [default: 256]
    #[arg(long, value_name = "N")]
    pub max_in_flight: Option<String>,
    /// Do not apply the database migrations first
    #[arg(long)]
    pub no_migrate: bool,
}

/// Flags of `dead-letters discard`.
#[derive(Args, Default)]
pub struct DiscardArgs {
    /// Only those of this account
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become the help of the group")]
    pub file: FileArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub filter: LetterFilterArgs,
    /// All of every account
    #[arg(long, conflicts_with_all = ["account", "campaign", "class"])]
    pub all: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "as above")]
    pub log: LogArgs,
}
