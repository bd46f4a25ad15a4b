//! The binary: reads the command line, runs one command on one arbiter, and is the only place that ends the
//! process.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use campaign_sync::cli::{Cli, Command};
use campaign_sync::config::{self, Environment, InvalidConfig, LogConfig, LogFormat};
use campaign_sync::{commands, report, telemetry};
use clap::Parser;
use indicatif::MultiProgress;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let outcome = actix_rt::System::new().block_on(run(command));
    outcome.unwrap_or_else(|error| {
        // A reader that has gone away has the exit code.
        let _ = writeln!(io::stderr(), "campaign-sync: {error:#}");
        match error.downcast_ref::<InvalidConfig>() {
            Some(_) => ExitCode::from(report::USAGE),
            None => ExitCode::FAILURE,
        }
    })
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let environment = Environment::of_process();
    let bars = MultiProgress::new();
    let by_terminal = || if io::stderr().is_terminal() { LogFormat::Pretty } else { LogFormat::Json };
    let log = |log: &LogConfig, default: LogFormat| {
        let format = log.format.unwrap_or(default);
        telemetry::start(format, &log.level, &bars).map(|()| format)
    };
    match command {
        Command::Demo(args) => {
            let config = config::DemoConfig::load(&args, &environment)?;
            // A demo is for people, whether or not its output is piped.
            let format = log(&config.log, LogFormat::Pretty)?;
            commands::demo::run(config, format, bars.clone()).await
        }
        Command::Run(args) => {
            let config = config::RunConfig::load(&args, &environment)?;
            let format = log(&config.log, by_terminal())?;
            commands::run::run(config, format, bars.clone()).await
        }
        Command::Plan(args) => {
            let config = config::PlanConfig::load(&args, &environment)?;
            log(&config.log, by_terminal())?;
            commands::plan::run(config).await
        }
        Command::Check(args) => {
            let config = config::CheckConfig::load(&args, &environment)?;
            log(&config.log, by_terminal())?;
            commands::check::run(config).await
        }
        Command::Migrate(args) => {
            let config = config::MigrateConfig::load(&args, &environment)?;
            log(&config.log, by_terminal())?;
            commands::migrate::run(config).await
        }
        Command::Runs(args) => {
            let config = config::RunsConfig::load(&args, &environment)?;
            log(&config.log, by_terminal())?;
            commands::runs::run(config).await
        }
        Command::MockPlatform(args) => {
            let config = config::MockPlatformConfig::load(&args, &environment)?;
            log(&config.log, by_terminal())?;
            commands::mock_platform::run(config).await
        }
    }
}
