//! What the command line says of itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use clap::CommandFactory;

use super::*;
use crate::config::setting::{self, Setting};

#[test]
fn verify_cli() {
    Cli::command().debug_assert();
}

fn assert_help_tells(command: &str, settings: &[&Setting]) {
    let cli = Cli::command();
    let command = command.split(' ').fold(&cli, |above, name| above.find_subcommand(name).unwrap());
    for setting in settings {
        let flag = setting.flag.trim_start_matches("--");
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(flag));
        let help = arg.unwrap_or_else(|| panic!("no {flag}")).get_help().unwrap().to_string();
        for (kind, told) in [("env", setting.variable), ("default", setting.default)] {
            if let Some(told) = told {
                assert!(help.contains(&format!("[{kind}: {told}]")), "{flag}: {help}");
            }
        }
    }
}

#[test]
fn the_help_tells_each_settings_variable_and_default() {
    let of_serve = ["--schedule", "--listen", "--listen-certificate", "--listen-key", "--listen-without-tls"];
    let of_others = setting::SETTINGS.iter().filter(|setting| setting.flag != "--audit-retention");
    let (of_serve, of_run): (Vec<&Setting>, Vec<&Setting>) =
        of_others.partition(|setting| of_serve.contains(&setting.flag));
    assert_help_tells("run", &of_run);
    assert_help_tells("serve", &of_serve);
    assert_help_tells("serve", &[&setting::MAX_IN_FLIGHT, &setting::RATE_LIMIT, &setting::LOG_LEVEL]);
    assert_help_tells("demo", &[&setting::CONCURRENCY, &setting::REPORT, &setting::LOG_LEVEL]);
    use setting::plan;
    assert_help_tells("plan", &[&plan::LATENCY, &plan::FAILURE_RATE, &setting::RATE_LIMIT]);
    assert_help_tells("runs", &[&setting::LIMIT, &setting::REPORT]);
    let letters = [&setting::dead_letters::CAMPAIGN, &setting::dead_letters::CLASS];
    assert_help_tells("dead-letters list", &[&letters[..], &[&setting::dead_letters::LIMIT]].concat());
    assert_help_tells("dead-letters replay", &[&letters[..], &of_run].concat());
    assert_help_tells("dead-letters discard", &letters);
    assert_help_tells("audit", &[&setting::audit::LIMIT, &setting::REPORT]);
    assert_help_tells("audit prune", &[&setting::AUDIT_RETENTION, &setting::LOG_LEVEL]);
    use setting::mock::*;
    assert_help_tells(
        "mock-platform",
        &[
            &LISTEN,
            &CAMPAIGNS,
            &RATE_LIMIT,
            &SYNC_LATENCY,
            &LIST_LATENCY,
            &AUTH_LATENCY,
            &ERROR_RATE,
            &HANG_RATE,
            &LIST_ERROR_EVERY,
            &FAULT,
            &RETRY_HINT,
            &RATE_LIMIT_HEADERS,
            &TOKEN_LIFE,
            &SEED,
            &EMAIL,
        ],
    );
}

#[test]
fn the_help_of_dead_letters_names_each_class() {
    let cli = Cli::command();
    let list = cli.find_subcommand("dead-letters").unwrap().find_subcommand("list").unwrap();
    let arg = list.get_arguments().find(|arg| arg.get_long() == Some("class")).unwrap();
    let help = arg.get_help().unwrap().to_string();
    let words: Vec<&str> = help.split([' ', ',', ';', '\n']).collect();
    for class in actors::model::FailureClass::ALL {
        assert!(words.contains(&class.as_str()), "{class} is not in: {help}");
    }
}

#[test]
fn the_help_of_audit_names_all_that_can_be_recorded() {
    let cli = Cli::command();
    let audit = cli.find_subcommand("audit").unwrap();
    let arg = audit.get_arguments().find(|arg| arg.get_long() == Some("what")).unwrap();
    let help = arg.get_help().unwrap().to_string();
    let words: Vec<&str> = help.split([' ', ',', ';', '\n']).collect();
    for what in crate::store::Audited::ALL {
        assert!(words.contains(&what.as_str()), "{} is not in: {help}", what.as_str());
    }
}

#[test]
fn a_command_is_called_what_is_typed() {
    for (line, parsed) in [
        ("demo", "demo"),
        ("run --fresh", "run"),
        ("dead-letters discard --all", "dead-letters discard"),
        ("audit --limit 3", "audit"),
        ("audit prune --yes", "audit prune"),
    ] {
        let words = ["campaign-sync"].into_iter().chain(line.split_whitespace());
        assert_eq!(Cli::try_parse_from(words).unwrap().command.name(), parsed);
    }
}

#[test]
fn the_help_of_the_mock_platform_names_each_of_its_faults() {
    let cli = Cli::command();
    let command = cli.find_subcommand("mock-platform").unwrap();
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some("fault")).unwrap();
    let help = arg.get_help().unwrap().to_string();
    let words: Vec<&str> = help.split([' ', ',', ';']).collect();
    for fault in ::mock_platform::Fault::ALL {
        assert!(words.contains(&fault.name()), "{} is not in: {help}", fault.name());
    }
}

#[test]
fn no_flag_takes_a_password_and_no_flag_is_read_from_the_environment_by_clap() {
    for command in Cli::command().get_subcommands() {
        for arg in command.get_arguments() {
            assert!(!arg.get_long().unwrap_or_default().contains("password"), "{arg}");
        }
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for line in ["", "sync", "run --password x", "run --concurrency", "run --email a --email b"] {
        let words = ["campaign-sync"].into_iter().chain(line.split_whitespace());
        let error = Cli::try_parse_from(words).err().unwrap();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}
