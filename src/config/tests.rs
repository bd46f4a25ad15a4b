#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod any_file;
mod ca_file;
mod example;
mod file;
mod mock_platform;
mod plan;
mod schema;
mod secrets;
mod serve;
mod traces;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use clap::Parser;
use secrecy::ExposeSecret;

use actors::settings::RateLimit;

use super::*;
use crate::cli::{Cli, Command};
use crate::private_postgres::default_directory;

/// What `run` cannot do without.
const REQUIRED: [(&str, &str); 3] = [
    ("AD_PLATFORM_API_URL", "https://ads.example.com/v1"),
    ("AD_PLATFORM_EMAIL", "ann@example.com"),
    ("AD_PLATFORM_PASSWORD", "hunter2"),
];

/// A certificate as PEM.
fn ca() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().self_signed(&key).unwrap().pem()
}

fn environment(variables: &[(&str, &str)], dot_env: &str) -> Environment {
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Environment::new(variables, Some(dot_env))
}

fn command(line: &str) -> Command {
    Cli::try_parse_from(["campaign-sync"].into_iter().chain(line.split_whitespace())).ok().unwrap().command
}

/// `run` with these flags in an environment that has these variables besides what is required.
fn run(flags: &str, variables: &[(&str, &str)], dot_env: &str) -> Result<RunConfig, Vec<String>> {
    let variables: Vec<_> = REQUIRED.iter().chain(variables).copied().collect();
    run_bare(flags, &environment(&variables, dot_env))
}

fn run_bare(flags: &str, environment: &Environment) -> Result<RunConfig, Vec<String>> {
    let Command::Run(args) = command(&format!("run {flags}")) else { panic!() };
    RunConfig::load(&args, environment)
        .map_err(|InvalidConfig(problems)| problems.iter().map(ToString::to_string).collect())
}

fn mock(flags: &str, variables: &[(&str, &str)]) -> Result<MockPlatformConfig, InvalidConfig> {
    let Command::MockPlatform(args) = command(&format!("mock-platform {flags}")) else { panic!() };
    MockPlatformConfig::load(&args, &environment(variables, ""))
}

/// The account, where there is one.
fn only(accounts: &[AccountConfig]) -> &AccountConfig {
    let [account] = accounts else { panic!("{} accounts", accounts.len()) };
    account
}

/// Of 12 attempts, so many of them for timeouts, after 1 s to 2 s, and for rejections, and all for connections.
fn policy(timeouts: u32, rejections: u32) -> RetryPolicy {
    let mut policy = RetryPolicy { max_attempts: NonZeroU32::new(12).unwrap(), ..RetryPolicy::default() };
    policy.timeout.attempts = NonZeroU32::new(timeouts);
    (policy.timeout.base, policy.timeout.cap) = (Duration::from_secs(1), Duration::from_secs(2));
    policy.rejected.attempts = NonZeroU32::new(rejections);
    policy.connection.attempts = NonZeroU32::new(12);
    policy
}

fn limit(requests: u32, seconds: u64) -> RateLimit {
    RateLimit::new(requests, Duration::from_secs(seconds)).unwrap()
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = run("", &[], "").unwrap();
    assert_eq!(only(&config.accounts).platform.account.as_str(), "default");
    assert_eq!(only(&config.accounts).platform.api_url.as_str(), "https://ads.example.com/v1");
    assert_eq!(only(&config.accounts).platform.email, "ann@example.com");
    assert_eq!(only(&config.accounts).platform.password.newest().expose_secret(), "hunter2");
    assert_eq!(only(&config.accounts).platform.request_timeout, Duration::from_secs(10));
    let pipeline = PipelineConfig {
        fresh: false,
        replay: None,
        max_wait: Duration::from_secs(15 * 60),
        max_shrink: MaxShrink::new(0.5).unwrap(),
        concurrency: Concurrency::new(16).unwrap(),
        page_size: NonZeroU32::new(10).unwrap(),
        rate_limits: RateLimits::Fixed(vec![limit(10, 60)]),
        retry: RetryPolicy::default(),
        retry_budget: Some(RetryShare::new(1.0).unwrap()),
        batch: BatchLimits::new(500, Duration::from_millis(200)).unwrap(),
    };
    assert_eq!(only(&config.accounts).pipeline, pipeline);
    assert!(config.database.url.is_none());
    assert_eq!(config.report, ReportFormat::Table);
    assert_eq!(config.log, LogConfig { format: None, level: "info".to_owned() });
    assert_eq!(config.max_in_flight.get(), 256);
    assert!(config.migrate);
}

#[test]
fn every_flag_reaches_its_setting() {
    let flags = "--api-url http://localhost:1/ --email bob@example.com --account acme --concurrency 2 \
        --page-size 3 --rate-limit 4/5s --rate-limit 6/7m,8/9h --request-timeout 11s --max-attempts 12 \
        --retry timeout=9/1s/2s --retry rejected=10,connection=12 --retry-budget 0.5 --batch-size 13 --batch-linger 14ms --max-wait 16s --max-shrink 0.25 --max-in-flight 17 --report json --log-format json --log-level debug --no-migrate --fresh \
        --database-url host=db";
    let config = run(flags, &[], "").unwrap();
    assert_eq!(only(&config.accounts).platform.api_url.as_str(), "http://localhost:1/");
    assert_eq!(only(&config.accounts).platform.email, "bob@example.com");
    assert_eq!(only(&config.accounts).platform.account.as_str(), "acme");
    assert_eq!(only(&config.accounts).platform.request_timeout, Duration::from_secs(11));
    let pipeline = PipelineConfig {
        fresh: true,
        replay: None,
        max_wait: Duration::from_secs(16),
        max_shrink: MaxShrink::new(0.25).unwrap(),
        concurrency: Concurrency::new(2).unwrap(),
        page_size: NonZeroU32::new(3).unwrap(),
        rate_limits: RateLimits::Fixed(vec![limit(4, 5), limit(6, 420), limit(8, 32_400)]),
        retry: policy(9, 10),
        retry_budget: Some(RetryShare::new(0.5).unwrap()),
        batch: BatchLimits::new(13, Duration::from_millis(14)).unwrap(),
    };
    assert_eq!(only(&config.accounts).pipeline, pipeline);
    assert!(config.database.url.unwrap().to_string().contains("at db:5432"));
    assert_eq!(config.report, ReportFormat::Json);
    assert_eq!(config.log, LogConfig { format: Some(LogFormat::Json), level: "debug".to_owned() });
    assert_eq!(config.max_in_flight.get(), 17);
    assert!(!config.migrate);
}

#[test]
fn every_variable_reaches_its_setting() {
    let variables = [
        ("CAMPAIGN_SYNC_ACCOUNT", "acme"),
        ("CAMPAIGN_SYNC_CONCURRENCY", "2"),
        ("CAMPAIGN_SYNC_PAGE_SIZE", "3"),
        ("CAMPAIGN_SYNC_RATE_LIMIT", "none"),
        ("CAMPAIGN_SYNC_REQUEST_TIMEOUT", "11s"),
        ("CAMPAIGN_SYNC_MAX_ATTEMPTS", "12"),
        ("CAMPAIGN_SYNC_RETRY", "timeout=9/1s/2s,rejected=10,connection=12"),
        ("CAMPAIGN_SYNC_RETRY_BUDGET", "none"),
        ("CAMPAIGN_SYNC_BATCH_SIZE", "13"),
        ("CAMPAIGN_SYNC_BATCH_LINGER", "14ms"),
        ("CAMPAIGN_SYNC_MAX_WAIT", "16s"),
        ("CAMPAIGN_SYNC_MAX_SHRINK", "none"),
        ("CAMPAIGN_SYNC_MAX_IN_FLIGHT", "18"),
        ("CAMPAIGN_SYNC_REPORT", "json"),
        ("CAMPAIGN_SYNC_LOG_FORMAT", "pretty"),
        ("RUST_LOG", "warn"),
        ("DATABASE_URL", "host=db"),
    ];
    let config = run("", &variables, "").unwrap();
    assert_eq!(only(&config.accounts).platform.account.as_str(), "acme");
    assert_eq!(only(&config.accounts).platform.request_timeout, Duration::from_secs(11));
    let pipeline = PipelineConfig {
        fresh: false,
        replay: None,
        max_wait: Duration::from_secs(16),
        max_shrink: MaxShrink::ANY,
        concurrency: Concurrency::new(2).unwrap(),
        page_size: NonZeroU32::new(3).unwrap(),
        rate_limits: RateLimits::Fixed(vec![]),
        retry: policy(9, 10),
        retry_budget: None,
        batch: BatchLimits::new(13, Duration::from_millis(14)).unwrap(),
    };
    assert_eq!(only(&config.accounts).pipeline, pipeline);
    assert!(config.database.url.unwrap().to_string().contains("at db:5432"));
    assert_eq!(config.max_in_flight.get(), 18);
    assert_eq!(config.report, ReportFormat::Json);
    assert_eq!(config.log, LogConfig { format: Some(LogFormat::Pretty), level: "warn".to_owned() });
}

#[test]
fn a_flag_goes_before_the_environment_before_dot_env_before_the_default() {
    let concurrency = |flags: &str, variables: &[(&str, &str)], dot_env: &str| {
        only(&run(flags, variables, dot_env).unwrap().accounts).pipeline.concurrency.get()
    };
    let real = [("CAMPAIGN_SYNC_CONCURRENCY", "2")];
    let dot_env = "CAMPAIGN_SYNC_CONCURRENCY=3";
    assert_eq!(concurrency("--concurrency 1", &real, dot_env), 1);
    assert_eq!(concurrency("", &real, dot_env), 2);
    assert_eq!(concurrency("", &[], dot_env), 3);
    assert_eq!(concurrency("", &[], ""), 16);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let empty = [("CAMPAIGN_SYNC_CONCURRENCY", ""), ("DATABASE_URL", ""), ("CAMPAIGN_SYNC_CONCURENCY", "")];
    assert_eq!(
        only(&run("", &empty, "CAMPAIGN_SYNC_CONCURRENCY=3").unwrap().accounts).pipeline.concurrency.get(),
        3
    );
    let config = run("", &empty, "CAMPAIGN_SYNC_CONCURRENCY=").unwrap();
    assert_eq!(only(&config.accounts).pipeline.concurrency.get(), 16);
    assert!(config.database.url.is_none());
}

#[test]
fn an_empty_flag_is_a_wrong_value() {
    let Command::Run(mut args) = command("run") else { panic!() };
    args.pipeline.concurrency = Some(String::new());
    let error = RunConfig::load(&args, &environment(&REQUIRED, "")).unwrap_err().to_string();
    assert_eq!(error, r#"--concurrency must be a whole number from 1 to 1024, not "" (flag --concurrency)"#);
}

#[test]
fn all_that_is_wrong_is_reported_at_once_with_its_source_value_and_range() {
    let variables = [
        ("CAMPAIGN_SYNC_PAGE_SIZE", "many"),
        ("CAMPAIGN_SYNC_REPORT", "yaml"),
        ("CAMPAIGN_SYNC_BATCH_LINGERS", "1s"),
        ("DATABASE_URL", "mysql://u:s3cret@h/d"),
    ];
    let dot_env = "# ours\n\nexport CAMPAIGN_SYNC_MAX_ATTEMPTS=0\nRUST_LOG='a=b=c'\nOTHER=1\n";
    let problems =
        run("--concurrency 0 --api-url http://ads.example.com --rate-limit 10", &variables, dot_env)
            .unwrap_err();
    let wanted = [
        "unknown setting (environment variable CAMPAIGN_SYNC_BATCH_LINGERS); did you mean CAMPAIGN_SYNC_BATCH_LINGER?",
        r#"--api-url must be an https URL, unless its host is loopback or http is allowed (--allow-http, allow_http = true), not "http://ads.example.com" (flag --api-url)"#,
        r#"--concurrency must be a whole number from 1 to 1024, not "0" (flag --concurrency)"#,
        r#"--page-size must be a whole number from 1 to 10000, not "many" (environment variable CAMPAIGN_SYNC_PAGE_SIZE)"#,
        r#"--rate-limit must be auto, for what the platform states, or N/WINDOW such as 10/60s, 600/1m or 1000/1d, up to 16 of them by commas, or none (N from 1 to 1000000, WINDOW from 10ms to 31d), not "10" (flag --rate-limit)"#,
        r#"--max-attempts must be a whole number from 1 to 100, not "0" (.env line 3, CAMPAIGN_SYNC_MAX_ATTEMPTS)"#,
        "database URL must be one that can be used: not a libpq URL (postgresql://user:password@host:port/dbname) nor of the key/value form (host=… user=… dbname=…); special characters in a URL's password or options must be percent-encoded, and a value with spaces stands in single quotes; its value is not shown (environment variable DATABASE_URL)",
        r#"--report must be table or json, not "yaml" (environment variable CAMPAIGN_SYNC_REPORT)"#,
        r#"--log-level must be error, warn, info, debug, trace or off, or a list such as info,campaign_sync=debug, not "a=b=c" (.env line 4, RUST_LOG)"#,
    ];
    assert_eq!(problems, wanted);
}

#[test]
fn each_setting_keeps_its_range() {
    let cases = [
        ("--concurrency", vec!["1", "1024"], vec!["0", "1025"]),
        ("--page-size", vec!["1", "10000"], vec!["0", "10001"]),
        ("--max-attempts", vec!["1", "100"], vec!["0", "101"]),
        ("--max-in-flight", vec!["1", "10000"], vec!["0", "10001"]),
        ("--batch-size", vec!["1", "10000"], vec!["0", "10001"]),
        ("--batch-linger", vec!["0s", "60s"], vec!["60001ms", "5"]),
        ("--request-timeout", vec!["10ms", "10min"], vec!["9ms", "601s"]),
    ];
    for (flag, right, wrong) in cases {
        for value in right {
            assert!(run(&format!("{flag} {value}"), &[], "").is_ok(), "{flag} {value}");
        }
        for value in wrong {
            let problems = run(&format!("{flag} {value}"), &[], "").unwrap_err();
            assert!(problems.len() == 1 && problems[0].starts_with(flag), "{problems:?}");
        }
    }
}

#[test]
fn a_shrinkage_that_cannot_be_is_named_with_what_is_allowed() {
    for wrong in ["-0.1", "1.1", "half", "50%", "NaN"] {
        let variables = [("CAMPAIGN_SYNC_MAX_SHRINK", wrong)];
        let problems = run("", &variables, "").unwrap_err();
        let wanted = "--max-shrink must be a number from 0 to 1 such as 0.5, or none";
        assert!(problems.len() == 1 && problems[0].starts_with(wanted), "{problems:?}");
    }
}

#[test]
fn a_retry_that_cannot_be_is_named_with_its_source_its_value_and_what_is_allowed() {
    let variables = [("CAMPAIGN_SYNC_RETRY_BUDGET", "-1")];
    let problems = run("--max-attempts 5 --retry timeout=6", &variables, "").unwrap_err();
    let wanted = [
        r#"--retry must be CLASS=ATTEMPTS[/BASE[/CAP]] such as timeout=4/1s/30s or rejected=2, each class once, several by commas (CLASS of timeout, connection, unavailable, unparsable, rejected; ATTEMPTS from 1 to 5, which is --max-attempts; BASE from 0s and CAP from BASE to 5min), not "timeout=6" (flag --retry)"#,
        r#"--retry-budget must be a number from 0 to 99 such as 0.5, or none, not "-1" (environment variable CAMPAIGN_SYNC_RETRY_BUDGET)"#,
    ];
    assert_eq!(problems, wanted);
    // A class that is repeated is so over all flags; a wrong bound is not reported twice.
    assert_eq!(run("--retry timeout=2 --retry timeout=3", &[], "").unwrap_err().len(), 1);
    assert_eq!(run("--max-attempts 0 --retry timeout=6", &[], "").unwrap_err().len(), 1);
    let twenty = only(&run("--max-attempts 20", &[], "").unwrap().accounts).pipeline.retry;
    assert_eq!((twenty.max_attempts.get(), twenty.unavailable.attempts), (20, None));
}

#[test]
fn what_is_missing_is_named_with_both_ways_of_giving_it() {
    let problems = run_bare("", &environment(&[], "")).unwrap_err();
    let wanted = [
        "--api-url is missing: give --api-url or set AD_PLATFORM_API_URL (in the environment or in .env)",
        "--email is missing: give --email or set AD_PLATFORM_EMAIL (in the environment or in .env)",
        "password is missing: set AD_PLATFORM_PASSWORD (in the environment or in .env), or AD_PLATFORM_PASSWORD_FILE to the path of a file that holds it",
    ];
    assert_eq!(problems, wanted);
}

#[test]
fn a_wrong_value_is_not_reported_as_missing_too() {
    let problems = run("--email a:b", &[], "").unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn a_setting_under_the_other_prefix_is_suggested_by_its_name() {
    let problems = run("", &[("CAMPAIGN_SYNC_API_URL", "x")], "").unwrap_err();
    assert!(problems[0].ends_with("did you mean AD_PLATFORM_API_URL?"), "{problems:?}");
}

#[test]
fn an_unknown_variable_with_our_prefix_is_an_error_wherever_it_stands() {
    let problems = run("", &[("AD_PLATFORM_PASWORD", "hunter3")], "\nCAMPAIGN_SYNC_COLOUR=blue\nCAMPAIGN=1")
        .unwrap_err();
    let wanted = [
        "unknown setting (environment variable AD_PLATFORM_PASWORD); did you mean AD_PLATFORM_PASSWORD?",
        "unknown setting (.env line 2, CAMPAIGN_SYNC_COLOUR); --help lists the known ones",
    ];
    assert_eq!(problems, wanted);
}

#[test]
fn a_line_of_dot_env_that_cannot_be_read_is_named_without_its_text() {
    let problems = run("", &[], "RUST_LOG=info\nhunter3 is my password\nOTHER='open").unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    for (problem, line) in problems.iter().zip(["line 2", "line 3"]) {
        assert!(problem.contains(".env") && problem.contains(line), "{problem}");
        assert!(!problem.contains("hunter3") && !problem.contains("open"), "{problem}");
    }
}

#[test]
fn dot_env_is_read_with_quotes_comments_a_byte_order_mark_and_the_first_of_two() {
    let dot_env = "\u{feff}CAMPAIGN_SYNC_ACCOUNT = 'a#b' # comment\nCAMPAIGN_SYNC_ACCOUNT=second\n\
        DATABASE_URL=\"host=db password='two words'\"\n";
    let config = run("", &[], dot_env).unwrap();
    assert_eq!(only(&config.accounts).platform.account.as_str(), "a#b");
    assert!(config.database.url.unwrap().to_string().contains("at db:5432"));
}

#[test]
fn a_value_that_is_not_utf_8_is_named_and_not_shown() {
    let variables = REQUIRED.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let broken = (OsString::from("RUST_LOG"), OsString::from_vec(vec![0xff]));
    let other = (OsString::from_vec(vec![0xff]), OsString::from("x"));
    let problems =
        run_bare("", &Environment::new(variables.into_iter().chain([broken, other]), None)).unwrap_err();
    assert_eq!(problems, ["RUST_LOG must be UTF-8; its value is not shown (environment variable RUST_LOG)"]);
}

#[test]
fn a_long_or_strange_value_is_shown_short_and_on_one_line() {
    let account = format!("a\u{1b}[31m\n{}", "x".repeat(10_000));
    let problems = run("", &[("CAMPAIGN_SYNC_ACCOUNT", &account)], "").unwrap_err();
    assert!(problems[0].len() < 300 && !problems[0].contains(char::is_control), "{}", problems[0]);
}

#[test]
fn other_commands_check_only_what_concerns_them() {
    let variables = [("AD_PLATFORM_API_URL", "nonsense"), ("CAMPAIGN_SYNC_PAGE_SIZE", "0")];
    let environment = environment(&variables, "");
    let Command::Demo(args) = command("demo --concurrency 4 --report json") else { panic!() };
    let log = LogConfig { format: None, level: "warn".to_owned() };
    let private_directory = default_directory(None, None);
    let wanted = DemoConfig {
        concurrency: Concurrency::new(4).unwrap(),
        private_directory,
        report: ReportFormat::Json,
        log,
        otlp_endpoint: None,
    };
    assert_eq!(DemoConfig::load(&args, &environment), Ok(wanted));
    let Command::Migrate(args) = command("migrate --database-url host=db") else { panic!() };
    let config = MigrateConfig::load(&args, &environment).unwrap();
    assert!(config.database.url.unwrap().to_string().contains("at db:5432"));
    let Command::Check(args) = command("check") else { panic!() };
    assert_eq!(CheckConfig::load(&args, &environment).unwrap_err().0.len(), 4);
}

#[test]
fn check_is_as_strict_as_run_about_the_report() {
    let variables: Vec<_> = REQUIRED.into_iter().chain([("CAMPAIGN_SYNC_REPORT", "yaml")]).collect();
    let Command::Check(args) = command("check --concurrency 3") else { panic!() };
    let problems = CheckConfig::load(&args, &environment(&variables, "")).unwrap_err();
    assert!(problems.to_string().contains("yaml"), "{problems}");
    let config = CheckConfig::load(&args, &environment(&REQUIRED, "")).unwrap();
    assert_eq!(only(&config.accounts).pipeline.concurrency.get(), 3);
}

#[test]
fn runs_lists_all_accounts_unless_one_is_named() {
    let environment = environment(&[("CAMPAIGN_SYNC_ACCOUNT", "acme")], "");
    let load = |line: &str| {
        let Command::Runs(args) = command(line) else { panic!() };
        RunsConfig::load(&args, &environment)
    };
    let config = load("runs").unwrap();
    assert_eq!((config.account, config.limit), (None, 20));
    let config = load("runs --account other --limit 3").unwrap();
    assert_eq!((config.account, config.limit), (Some("other".into()), 3));
    assert_eq!(load("runs --account= --limit 0").unwrap_err().0.len(), 2);
}

#[test]
fn the_example_file_is_a_configuration() {
    let example = include_str!("../../.env.example");
    let config = run_bare("", &environment(&[], example)).unwrap();
    assert_eq!(only(&config.accounts).platform.email, "name@example.com");
    assert_eq!(only(&config.accounts).platform.password.newest().expose_secret(), "change me");
}

#[test]
fn the_example_file_tells_every_variable_and_the_defaults_as_they_are() {
    let example = include_str!("../../.env.example");
    for variable in setting::variables() {
        let told = |line: &str| line.trim_start_matches('#').starts_with(&format!("{variable}="));
        assert!(example.lines().any(told), "{variable} is not in .env.example");
    }
    for setting in setting::SETTINGS {
        if let (Some(variable), Some(default)) = (setting.variable, setting.default) {
            assert!(example.contains(&format!("#{variable}={default}\n")), "{variable}={default}");
        }
    }
}

#[test]
fn a_line_of_dot_env_that_cannot_be_read_is_named_by_its_number() {
    let dot_env = "# ours\nOTHER=1\n\nAD_PLATFORM_PASSWORD=pa$$ SECRET word\n";
    let problems = run("", &[], dot_env).unwrap_err();
    assert!(problems[0].contains("line 4 is not of the form"), "{problems:?}");
    assert!(!problems.concat().contains("SECRET"), "{problems:?}");
}
