//! Where the traces go.

use super::*;
use crate::cli::DeadLettersCommand;
use crate::config::serve::ServeConfig;

const COLLECTOR: (&str, &str) = ("CAMPAIGN_SYNC_OTLP_ENDPOINT", "http://127.0.0.1:4318");

/// What the command makes of it.
fn endpoint(line: &str, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
    let environment = environment(&[&REQUIRED[..], variables].concat(), "");
    let endpoint = match command(line) {
        Command::Run(args) => RunConfig::load(&args, &environment).map(|config| config.otlp_endpoint),
        Command::Serve(args) => ServeConfig::load(&args, &environment).map(|config| config.otlp_endpoint),
        Command::Demo(args) => DemoConfig::load(&args, &environment).map(|config| config.otlp_endpoint),
        Command::DeadLetters(DeadLettersCommand::Replay(args)) => {
            RunConfig::for_replay(&args, &environment).map(|config| config.otlp_endpoint)
        }
        Command::Check(args) => CheckConfig::load(&args, &environment).map(|_| None),
        _ => panic!("it makes no runs"),
    };
    endpoint.map(|url| url.map(String::from)).map_err(|invalid| invalid.to_string())
}

#[test]
fn every_command_that_makes_runs_takes_a_collector() {
    for line in ["run", "serve", "demo", "dead-letters replay"] {
        assert_eq!(endpoint(line, &[]), Ok(None), "{line}");
        assert_eq!(endpoint(line, &[COLLECTOR]), Ok(Some("http://127.0.0.1:4318/".to_owned())), "{line}");
        let flag = format!("{line} --otlp-endpoint https://otel.example.com/v");
        assert_eq!(
            endpoint(&flag, &[COLLECTOR]),
            Ok(Some("https://otel.example.com/v".to_owned())),
            "{line}"
        );
    }
}

#[test]
fn a_collector_that_cannot_be_is_refused_and_not_repeated_where_it_may_hold_a_secret() {
    for line in ["run", "serve", "demo", "dead-letters replay", "check"] {
        let message = endpoint(line, &[(COLLECTOR.0, "collector:4318")]).unwrap_err();
        assert!(
            message.contains("--otlp-endpoint must be an absolute URL such as http://127.0.0.1:4318"),
            "{message}"
        );
        let message = endpoint(line, &[(COLLECTOR.0, "http://ann:hunter2@collector:4318")]).unwrap_err();
        assert!(!message.contains("hunter2") && message.contains("without user or password"), "{message}");
    }
}
