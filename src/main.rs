//! The binary: reads the command line, runs one command on one arbiter, and is the only place that ends the
//! process.

use std::cell::OnceCell;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::Context;
#[cfg(feature = "age")]
use campaign_sync::cli::SecretsCommand;
use campaign_sync::cli::{AuditArgs, AuditCommand, Cli, Command, DeadLettersCommand};
use campaign_sync::config::{self, Environment, InvalidConfig, LogConfig, LogFormat};
use campaign_sync::shutdown::{INTERRUPTED, Shutdown};
use campaign_sync::standard_error::StandardError;
use campaign_sync::telemetry::{self, Traces};
use campaign_sync::{commands, report, store};
use clap::Parser;
use url::Url;

/// A request is some hundred small allocations; this one takes a third less time for all of them than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    store::acting_as(command.name());
    let Ok(stderr) = StandardError::start() else { return ExitCode::FAILURE };
    let traces = OnceCell::new();
    // When it is over, the system is gone with every task: no span is open any more.
    let outcome = actix_rt::System::new().block_on(run(command, &stderr, &traces));
    let exit_code = outcome.unwrap_or_else(|error| {
        stderr.line(&format!("campaign-sync: {error:#}"));
        match error.downcast_ref::<InvalidConfig>() {
            Some(_) => ExitCode::from(report::USAGE),
            None => ExitCode::FAILURE,
        }
    });
    traces.into_inner().into_iter().for_each(Traces::end);
    stderr.flush();
    exit_code
}

async fn run(
    command: Command,
    stderr: &StandardError,
    traces: &OnceCell<Traces>,
) -> anyhow::Result<ExitCode> {
    let environment = Environment::of_process();
    let by_terminal = || if io::stderr().is_terminal() { LogFormat::Pretty } else { LogFormat::Json };
    // After the settings are read, whose secrets may be the output of commands: until then a signal ends the program at once.
    // Before anything else is started: whoever stops the program early leaves no server behind.
    let begin_traced = |log: &LogConfig, default: LogFormat, collector: Option<&Url>| {
        let format = log.format.unwrap_or(default);
        if let Some(started) = telemetry::start(format, &log.level, collector, stderr)? {
            // There is one command.
            let _ = traces.set(started);
        }
        Shutdown::listen().context("cannot listen for signals").map(|shutdown| (format, shutdown))
    };
    let begin = |log: &LogConfig, default: LogFormat| begin_traced(log, default, None);
    let interrupted = || Ok(ExitCode::from(INTERRUPTED));
    match command {
        Command::Demo(args) => {
            let config = config::DemoConfig::load(&args, &environment)?;
            // A demo is for people, whether or not its output is piped.
            let (format, shutdown) =
                begin_traced(&config.log, LogFormat::Pretty, config.otlp_endpoint.as_ref())?;
            commands::demo::run(config, format, stderr.clone(), shutdown).await
        }
        Command::Run(args) => {
            let config = config::RunConfig::load(&args, &environment)?;
            let (format, shutdown) = begin_traced(&config.log, by_terminal(), config.otlp_endpoint.as_ref())?;
            commands::run::run(config, format, stderr.clone(), shutdown).await
        }
        Command::Serve(args) => {
            let config = config::ServeConfig::load(&args, &environment)?;
            let (_, shutdown) = begin_traced(&config.log, by_terminal(), config.otlp_endpoint.as_ref())?;
            commands::serve::run(config, args, shutdown).await
        }
        Command::Plan(args) => {
            let config = config::PlanConfig::load(&args, &environment)?;
            let (_, shutdown) = begin(&config.log, by_terminal())?;
            shutdown.or(commands::plan::run(config)).await.unwrap_or_else(interrupted)
        }
        Command::Check(args) => {
            let config = config::CheckConfig::load(&args, &environment)?;
            let (_, shutdown) = begin(&config.log, by_terminal())?;
            shutdown.or(commands::check::run(config)).await.unwrap_or_else(interrupted)
        }
        Command::Migrate(args) => {
            let config = config::MigrateConfig::load(&args, &environment)?;
            let (_, shutdown) = begin(&config.log, by_terminal())?;
            shutdown.or(commands::migrate::run(config)).await.unwrap_or_else(interrupted)
        }
        Command::Runs(args) => {
            let config = config::RunsConfig::load(&args, &environment)?;
            let (_, shutdown) = begin(&config.log, by_terminal())?;
            shutdown.or(commands::runs::run(config)).await.unwrap_or_else(interrupted)
        }
        Command::DeadLetters(DeadLettersCommand::List(args)) => {
            let config = config::ListConfig::load(&args, &environment)?;
            let (_, shutdown) = begin(&config.log, by_terminal())?;
            shutdown.or(commands::dead_letters::list(config)).await.unwrap_or_else(interrupted)
        }
        Command::DeadLetters(DeadLettersCommand::Replay(args)) => {
            let config = config::RunConfig::for_replay(&args, &environment)?;
            let (format, shutdown) = begin_traced(&config.log, by_terminal(), config.otlp_endpoint.as_ref())?;
            commands::run::run(config, format, stderr.clone(), shutdown).await
        }
        Command::DeadLetters(DeadLettersCommand::Discard(args)) => {
            let config = config::DiscardConfig::load(&args, &environment)?;
            let (_, shutdown) = begin(&config.log, by_terminal())?;
            shutdown.or(commands::dead_letters::discard(config)).await.unwrap_or_else(interrupted)
        }
        Command::Audit(AuditArgs { command: None, list }) => {
            let config = config::AuditConfig::load(&list, &environment)?;
            let (_, shutdown) = begin(&config.log, by_terminal())?;
            shutdown.or(commands::audit::list(config)).await.unwrap_or_else(interrupted)
        }
        Command::Audit(AuditArgs { command: Some(AuditCommand::Prune(args)), .. }) => {
            let config = config::AuditPruneConfig::load(&args, &environment)?;
            let (_, shutdown) = begin(&config.log, by_terminal())?;
            shutdown.or(commands::audit::prune(config)).await.unwrap_or_else(interrupted)
        }
        #[cfg(feature = "age")]
        Command::Secrets(SecretsCommand::Encrypt(args)) => {
            // A signal ends it: nothing is left half done.
            commands::secrets::encrypt(config::EncryptConfig::load(&args, &environment)?)
        }
        Command::MockPlatform(args) => {
            let config = config::MockPlatformConfig::load(&args, &environment)?;
            let (_, shutdown) = begin(&config.log, by_terminal())?;
            commands::mock_platform::run(config, shutdown).await
        }
        Command::Completions(args) => commands::completions::run(args),
        Command::Man(args) => commands::man::run(args),
    }
}
