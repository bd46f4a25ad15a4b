//! The configuration file.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A configuration file of the test's own.
pub(super) struct Written {
    folder: tempfile::TempDir,
}

impl Written {
    pub(super) fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("c.toml"), text).unwrap();
        Self { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("c.toml")
    }

    /// `run` with it; in messages it is called `c.toml`.
    pub(super) fn run(&self, flags: &str, variables: &[(&str, &str)]) -> Result<RunConfig, Vec<String>> {
        let path = self.path().display().to_string();
        run_bare(&format!("--config {path} {flags}"), &environment(variables, ""))
            .map_err(|problems| problems.iter().map(|problem| problem.replace(&path, "c.toml")).collect())
    }
}

fn run_file(text: &str, flags: &str, variables: &[(&str, &str)]) -> Result<RunConfig, Vec<String>> {
    Written::new(text).run(flags, variables)
}

/// What is wrong with the file, with the login in the environment.
fn problems(text: &str) -> Vec<String> {
    run_file(text, "", &REQUIRED).unwrap_err()
}

pub(super) fn ids(config: &RunConfig) -> Vec<&str> {
    config.accounts.iter().map(|account| account.platform.account.as_str()).collect()
}

const TWO: &str = r#"
api_url = "https://ads.example.com"
email = "all@example.com"
password = { env = "ALL_PASSWORD" }
concurrency = 3

[[accounts]]
id = "zoo"
email = "zoo@example.com"
concurrency = 4
rate_limit = ["1/1s", "100/1h"]

[[accounts]]
id = "acme"
api_url = "http://10.0.0.1/v2"
allow_http = true
password = { env = "AD_PLATFORM_PASSWORD_ACME" }
"#;
const PASSWORDS: [(&str, &str); 2] = [("ALL_PASSWORD", "hunter2"), ("AD_PLATFORM_PASSWORD_ACME", "hunter3")];

#[test]
fn accounts_are_read_in_the_files_order_each_over_the_top_level() {
    let config = run_file(TWO, "", &PASSWORDS).unwrap();
    assert_eq!(ids(&config), ["zoo", "acme"]);
    let [zoo, acme] = &config.accounts[..] else { panic!() };
    assert_eq!(
        (zoo.platform.email.as_str(), acme.platform.email.as_str()),
        ("zoo@example.com", "all@example.com")
    );
    assert_eq!(
        (zoo.platform.api_url.as_str(), acme.platform.api_url.as_str()),
        ("https://ads.example.com/", "http://10.0.0.1/v2")
    );
    assert_eq!(
        (zoo.platform.password.expose_secret(), acme.platform.password.expose_secret()),
        ("hunter2", "hunter3")
    );
    assert_eq!((zoo.pipeline.concurrency.get(), acme.pipeline.concurrency.get()), (4, 3));
    assert_eq!(zoo.pipeline.rate_limits, RateLimits::Fixed(vec![limit(1, 1), limit(100, 3600)]));
    assert_eq!(acme.pipeline.rate_limits, RateLimits::Fixed(vec![limit(10, 60)]));
}

#[test]
fn every_key_reaches_its_setting() {
    let text = r#"
        api_url = "http://ads.example.com/"
        allow_http = true
        email = "bob@example.com"
        password = { env = "P" }
        database_url = { env = "D" }
        concurrency = 2
        page_size = 0x3
        rate_limit = "4/5s"
        request_timeout = "11s"
        max_attempts = "12"
        retry = ["timeout=9/1s/2s", "rejected=10", "connection=12"]
        retry_budget = 0.5
        batch_size = 13
        batch_linger = "14ms"
        max_wait = "16s"
        max_shrink = 25e-2
        max_in_flight = 1_7
        schedule = "18min"
        listen = "127.0.0.1:19"
        api_token = { env = "T" }
        report = "json"
        log_format = "json"
        log_level = "debug"
        otlp_endpoint = "http://collector:4318"
    "#;
    let config = run_file(text, "", &[("P", "hunter3"), ("D", "host=db")]).unwrap();
    let AccountConfig { platform, pipeline, schedule } = only(&config.accounts);
    assert_eq!(schedule.to_string(), "18min");
    assert_eq!(
        (platform.api_url.as_str(), platform.account.as_str()),
        ("http://ads.example.com/", "default")
    );
    assert_eq!((platform.email.as_str(), platform.password.expose_secret()), ("bob@example.com", "hunter3"));
    assert_eq!(platform.request_timeout, Duration::from_secs(11));
    let wanted = PipelineConfig {
        fresh: false,
        replay: None,
        max_wait: Duration::from_secs(16),
        max_shrink: MaxShrink::new(0.25).unwrap(),
        concurrency: Concurrency::new(2).unwrap(),
        page_size: NonZeroU32::new(3).unwrap(),
        rate_limits: RateLimits::Fixed(vec![limit(4, 5)]),
        retry: policy(9, 10),
        retry_budget: Some(RetryShare::new(0.5).unwrap()),
        batch: BatchLimits::new(13, Duration::from_millis(14)).unwrap(),
    };
    assert_eq!(*pipeline, wanted);
    assert!(config.database.url.unwrap().to_string().contains("at db:5432"));
    assert_eq!((config.report, config.max_in_flight.get()), (ReportFormat::Json, 17));
    assert_eq!(config.log, LogConfig { format: Some(LogFormat::Json), level: "debug".to_owned() });
    assert_eq!(config.otlp_endpoint.unwrap().as_str(), "http://collector:4318/");
    let keys = setting::SETTINGS.iter().filter_map(|setting| Some(setting.in_file.as_ref()?.key));
    for key in keys.chain(setting::SECRETS.iter().map(|secret| secret.key)) {
        assert!(text.contains(&format!("        {key} = ")), "{key} is not tried here");
    }
}

#[test]
fn flag_before_environment_before_dot_env_before_account_before_top_level_before_default() {
    let of = |flags: &str, variables: &[(&str, &str)], dot_env: &str, account: &str, top: &str| {
        let file = Written::new(&format!("{top}\n[[accounts]]\nid = 'a'\n{account}\n"));
        let variables: Vec<_> = REQUIRED.iter().chain(variables).copied().collect();
        let flags = format!("--config {} {flags}", file.path().display());
        only(&run_bare(&flags, &environment(&variables, dot_env)).unwrap().accounts)
            .pipeline
            .concurrency
            .get()
    };
    let (real, dot_env) = ([("CAMPAIGN_SYNC_CONCURRENCY", "2")], "CAMPAIGN_SYNC_CONCURRENCY=3");
    let (account, top) = ("concurrency = 4", "concurrency = 5");
    assert_eq!(of("--concurrency 1", &real, dot_env, account, top), 1);
    assert_eq!(of("", &real, dot_env, account, top), 2);
    assert_eq!(of("", &[], dot_env, account, top), 3);
    assert_eq!(of("", &[], "", account, top), 4);
    assert_eq!(of("", &[], "", "", top), 5);
    assert_eq!(of("", &[], "", "", ""), 16);
}

#[test]
fn account_names_some_of_the_files_and_none_names_all() {
    let file = Written::new(TWO);
    let of = |flags: &str, variables: &[(&str, &str)]| {
        let variables: Vec<_> = PASSWORDS.iter().chain(variables).copied().collect();
        file.run(flags, &variables).map(|config| ids(&config).join(" "))
    };
    assert_eq!(of("", &[]).unwrap(), "zoo acme");
    assert_eq!(of("--account acme", &[]).unwrap(), "acme");
    assert_eq!(of("--account acme --account zoo --account acme", &[]).unwrap(), "zoo acme");
    assert_eq!(of("", &[("CAMPAIGN_SYNC_ACCOUNT", "acme, zoo")]).unwrap(), "zoo acme");
    assert_eq!(of("--account acme", &[("CAMPAIGN_SYNC_ACCOUNT", "zoo")]).unwrap(), "acme");
    assert_eq!(
        of("--account acne --account zoo", &[("CAMPAIGN_SYNC_ACCOUNT", "other")]).unwrap_err(),
        [r#"--account must be an account of c.toml (the nearest is acme), not "acne" (flag --account)"#]
    );
    assert_eq!(of("", &[("CAMPAIGN_SYNC_ACCOUNT", "acme,,")]).unwrap_err().len(), 2);
}

#[test]
fn without_accounts_in_a_file_there_is_the_one_of_flag_and_environment() {
    let config = run_file("concurrency = 3", "--account a", &REQUIRED).unwrap();
    assert_eq!((ids(&config), config.accounts[0].pipeline.concurrency.get()), (vec!["a"], 3));
    assert_eq!(ids(&run_file("", "", &REQUIRED).unwrap()), ["default"]);
    for problems in [
        run_file("", "--account a --account b", &REQUIRED).unwrap_err(),
        run("--account a --account b", &[], "").unwrap_err(),
    ] {
        assert!(problems[0].starts_with("--account must be one account where no"), "{problems:?}");
    }
}

#[test]
fn the_secrets_of_accounts_that_are_not_meant_are_not_read() {
    let text = r#"
        api_url = "https://ads.example.com"
        email = "all@example.com"
        [[accounts]]
        id = "a"
        password = { command = ["sh", "-c", "touch ran-a; echo hunter3"] }
        [[accounts]]
        id = "b"
        password = { command = ["sh", "-c", "touch ran-b; echo hunter4"] }
        [[accounts]]
        id = "c"
        password = { file = "nowhere" }
    "#;
    let file = Written::new(text);
    let config = file.run("--account b", &[]).unwrap();
    assert_eq!(only(&config.accounts).platform.password.expose_secret(), "hunter4");
    let ran = |name: &str| file.folder().join(name).exists();
    assert_eq!((ran("ran-a"), ran("ran-b")), (false, true));
}

#[test]
fn for_one_account_the_environments_login_replaces_the_files_and_for_several_it_is_refused() {
    let file = Written::new(TWO);
    let variables =
        [&PASSWORDS[..], &[("AD_PLATFORM_PASSWORD", "other"), ("AD_PLATFORM_EMAIL", "e@example.com")]]
            .concat();
    let config = file.run("--account acme --api-url https://other.example.com", &variables).unwrap();
    let platform = &only(&config.accounts).platform;
    assert_eq!((platform.email.as_str(), platform.password.expose_secret()), ("e@example.com", "other"));
    assert_eq!(platform.api_url.as_str(), "https://other.example.com/");
    let wanted = [
        "one --api-url is given for all accounts (flag --api-url), but an account has its own (c.toml line 15, column 11): take one of the two away, or name one account with --account",
        "one --email is given for all accounts (environment variable AD_PLATFORM_EMAIL), but an account has its own (c.toml line 9, column 9): take one of the two away, or name one account with --account",
        "one password is given for all accounts (environment variable AD_PLATFORM_PASSWORD), but an account has its own (c.toml line 17, column 12): take one of the two away, or name one account with --account",
    ];
    assert_eq!(file.run("--api-url https://other.example.com", &variables).unwrap_err(), wanted);
    // What no account has its own of replaces the top level, as any setting does.
    let text = "email = 'top@example.com'\n[[accounts]]\nid = 'a'\n[[accounts]]\nid = 'b'\n";
    let config = run_file(text, "", &REQUIRED).unwrap();
    assert!(config.accounts.iter().all(|account| account.platform.email == "ann@example.com"));
}

#[test]
fn a_secret_is_in_a_variable_a_file_beside_the_configuration_or_what_a_command_prints() {
    for (secret, dot_env) in [
        ("{ env = 'SOME_VARIABLE' }", "SOME_VARIABLE=hunter3"),
        ("{ file = 'secrets/acme' }", ""),
        ("{ command = ['cat', 'secrets/acme'] }", ""),
        ("{ command = ['/bin/sh', '-c', 'echo $0', 'hunter3'] }", ""),
    ] {
        let file =
            Written::new(&format!("password = {secret}\ndatabase_url = {{ command = ['echo', 'host=db'] }}"));
        fs::create_dir(file.folder().join("secrets")).unwrap();
        fs::write(file.folder().join("secrets/acme"), "hunter3\n").unwrap();
        let flags = format!("--config {}", file.path().display());
        let config = run_bare(&flags, &environment(&REQUIRED[..2], dot_env)).unwrap();
        assert_eq!(only(&config.accounts).platform.password.expose_secret(), "hunter3", "{secret}");
        assert!(config.database.url.unwrap().to_string().contains("at db:5432"));
    }
}

#[test]
fn a_secret_that_cannot_be_had_is_named_with_its_place() {
    for (secret, says) in [
        ("{ env = 'NOT_SET' }", "the environment variable NOT_SET is not set, or not UTF-8"),
        ("{ file = 'nowhere' }", r#"the file "nowhere" cannot be read: No such file"#),
        ("{ command = ['false', 's3cret'] }", r#"the command "false" failed: exit status: 1"#),
    ] {
        let text = format!("[[accounts]]\nid = 'a'\npassword = {secret}\n");
        let problems = run_file(&text, "", &REQUIRED[..2]).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&format!("password cannot be had: {says}")), "{problems:?}");
        assert!(problems[0].ends_with("(c.toml line 3, column 12)"), "{problems:?}");
        assert!(!problems[0].contains("s3cret"), "{problems:?}");
    }
}

#[test]
fn a_secret_in_the_file_itself_is_refused_and_not_shown() {
    for secret in [
        "'s3cret'",
        "5",
        "['s3cret']",
        "{}",
        "{ env = 'A', file = 'B' }",
        "{ env = 's3cret!' }",
        "{ env = '' }",
        "{ file = '' }",
        "{ file = 5 }",
        "{ command = 's3cret' }",
        "{ command = [] }",
        "{ command = [''] }",
        "{ command = ['a', 5] }",
        "{ s3cret = 'a' }",
    ] {
        for key in ["password", "database_url"] {
            let problems = run_file(&format!("\n{key} = {secret}"), "", &REQUIRED).unwrap_err();
            assert_eq!(problems.len(), 1, "{secret}: {problems:?}");
            assert!(problems[0].contains("c.toml line 2, column "), "{secret}: {problems:?}");
            assert!(!problems[0].contains("s3cret"), "{problems:?}");
        }
    }
    let wanted = r#"password must be { env = "NAME" }, { file = "PATH" } or { command = ["program", "argument"] }: a secret is never in this file itself; its value is not shown (c.toml line 1, column 12)"#;
    assert_eq!(problems("password = 'hunter3'"), [wanted]);
}

#[test]
fn all_that_is_wrong_with_the_file_is_reported_at_once_with_line_and_column() {
    let text = r#"concurency = 8
page_size = 0
email = 5
max_in_flight = -1
retry_budget = [1]
hunter3 = "x"
id = "a"
[[accounts]]
id = "acme"
rate_limit = ["10/60s", "often"]
report = "json"
concurrency = "many"
[[accounts]]
email = "a@example.com"
[[accounts]]
id = "acme"
request_timeout = 10
allow_http = "yes"
[[accounts]]
id = "two words"
"#;
    let wanted = [
        "unknown setting (c.toml line 1, column 1); did you mean concurrency?",
        r#"page_size must be a whole number from 1 to 10000, not "0" (c.toml line 2, column 13)"#,
        "email must be a text in quotes; its value is not shown (c.toml line 3, column 9)",
        r#"max_in_flight must be a whole number from 1 to 10000, not "-1" (c.toml line 4, column 17)"#,
        "retry_budget must be a number, or a text in quotes; its value is not shown (c.toml line 5, column 16)",
        "unknown setting (c.toml line 6, column 1); campaign-sync.example.toml lists the known ones",
        "id belongs into a table of [[accounts]] (c.toml line 7, column 1)",
        r#"rate_limit must be auto, for what the platform states, or N/WINDOW such as 10/60s, 600/1m or 1000/1d, up to 16 of them by commas, or none (N from 1 to 1000000, WINDOW from 10ms to 31d), not "10/60s,often" (c.toml line 10, column 14)"#,
        "report belongs at the top level, before the first [[accounts]] (c.toml line 11, column 1)",
        r#"concurrency must be a whole number from 1 to 1024, not "many" (c.toml line 12, column 15)"#,
        "id is missing: each account has one, which is sent as x-client-id (c.toml line 13, column 1)",
        "request_timeout must be a text in quotes; its value is not shown (c.toml line 17, column 19)",
        "allow_http must be true or false; its value is not shown (c.toml line 18, column 14)",
        r#"two accounts have the id "acme" (c.toml line 9, column 6 and c.toml line 16, column 6)"#,
        r#"id must be 1 to 128 letters, digits or signs of ASCII, without spaces, not "two words" (c.toml line 20, column 6)"#,
    ];
    assert_eq!(problems(text), wanted);
}

#[test]
fn what_is_wrong_at_the_top_level_is_said_once_and_also_where_no_account_uses_it() {
    let accounts = "[[accounts]]\nid = 'a'\n[[accounts]]\nid = 'b'\n";
    assert_eq!(problems(&format!("concurrency = 0\n{accounts}")).len(), 1);
    let text =
        "concurrency = 0\n[[accounts]]\nid = 'a'\nconcurrency = 1\n[[accounts]]\nid = 'b'\nmax_wait = '0s'\n";
    let file = Written::new(text);
    assert_eq!(file.run("--account a --concurrency 5", &REQUIRED).unwrap_err().len(), 2);
}

#[test]
fn what_depends_on_another_setting_is_judged_account_by_account() {
    let text = "api_url = 'http://ads.example.com'\nretry = 'timeout=20'\n\
        [[accounts]]\nid = 'a'\nallow_http = true\nmax_attempts = 20\n";
    assert!(run_file(text, "", &REQUIRED[1..]).is_ok());
    let text = format!("{text}[[accounts]]\nid = 'b'\n");
    let problems = run_file(&text, "", &REQUIRED[1..]).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("https") && problems[1].contains("ATTEMPTS from 1 to 8"), "{problems:?}");
    // Who is not meant may not be able to run.
    assert!(run_file(&text, "--account a", &REQUIRED[1..]).is_ok());
}

#[test]
fn what_an_account_lacks_is_named_with_the_account_and_its_place() {
    let problems =
        run_file("[[accounts]]\nid = 'a'\n\n[[accounts]]\nid = 'b'\nemail = 'b@example.com'\n", "", &[])
            .unwrap_err();
    assert_eq!(problems.len(), 5, "{problems:?}");
    let wanted = "api_url of account a is missing: give it there or at the top level, or give --api-url or set AD_PLATFORM_API_URL (in the environment or in .env) (c.toml line 1, column 1)";
    assert_eq!(problems[0], wanted);
    assert!(
        problems[4].starts_with("password of account b is missing: ")
            && problems[4].ends_with("(c.toml line 4, column 1)")
    );
}

#[test]
fn a_file_that_is_not_toml_is_refused_by_line_and_column_without_its_text() {
    for (text, place) in [
        ("a = 1\npassword = s3cret", "line 2, column 12"),
        ("password = 's3cret", "line 1, column "),
        ("s3cret", "line 1, column "),
        ("concurrency = 1\nconcurrency = 2", "line 2, column 1"),
        ("[accounts\nid = 's3cret'", "line 1, column 10"),
        ("password = { env = 's3cret' ", "line 1, column "),
    ] {
        let problems = problems(text);
        assert!(!problems.is_empty(), "{text}");
        assert!(problems[0].starts_with("not TOML: ") && problems[0].contains(place), "{problems:?}");
        assert!(!problems.concat().contains("s3cret"), "{problems:?}");
        // Nobody knows what is missing in it.
        assert!(!run_file(text, "", &[]).unwrap_err().concat().contains("missing:"), "{text}");
    }
}

#[test]
fn accounts_are_at_least_one_table_and_at_most_ten_thousand() {
    for text in ["accounts = []", "accounts = 5", "accounts = ['a']", "[accounts]\nid = 'a'"] {
        let problems = problems(text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("accounts must be tables, each of which begins with [[accounts]]"),
            "{problems:?}"
        );
    }
    assert_eq!(ids(&run_file("accounts = [{ id = 'a' }]", "", &REQUIRED).unwrap()), ["a"]);
    let many =
        |number: usize| (0..number).map(|n| format!("[[accounts]]\nid = 'a{n}'\n")).collect::<String>();
    assert_eq!(run_file(&many(10_000), "", &REQUIRED).unwrap().accounts.len(), 10_000);
    let problems = problems(&many(10_001));
    assert!(
        problems.len() == 1 && problems[0].starts_with("accounts must be at most 10000 tables"),
        "{problems:?}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_who_named_it() {
    let nowhere = run_bare("--config /nowhere/c.toml", &environment(&REQUIRED, "")).unwrap_err();
    assert_eq!(nowhere.len(), 1, "{nowhere:?}");
    assert!(nowhere[0].contains(r#"the file "/nowhere/c.toml" cannot be read: No such file"#), "{nowhere:?}");
    assert!(nowhere[0].ends_with("(flag --config)"), "{nowhere:?}");
    let by_variable = run("", &[("CAMPAIGN_SYNC_CONFIG", "/nowhere/c.toml")], "").unwrap_err();
    assert!(by_variable[0].ends_with("(environment variable CAMPAIGN_SYNC_CONFIG)"), "{by_variable:?}");
    let file = Written::new("");
    fs::write(file.path(), [0xff]).unwrap();
    assert!(file.run("", &REQUIRED).unwrap_err()[0].contains("is not UTF-8"));
    fs::write(file.path(), vec![b'#'; 16 * 1024 * 1024 + 1]).unwrap();
    assert!(file.run("", &REQUIRED).unwrap_err()[0].contains("is larger than 16 MiB"));
}

#[test]
fn a_variable_with_our_prefix_is_known_where_the_file_names_it() {
    let text =
        "[[accounts]]\nid = 'a'\n[[accounts]]\nid = 'b'\npassword = { env = 'AD_PLATFORM_PASSWORD_B' }\n";
    let variables = [&REQUIRED[..], &[("AD_PLATFORM_PASSWORD_B", "x")]].concat();
    // Also where its account is not meant.
    assert!(run_file(text, "--account a", &variables).is_ok());
    let problems = run_file("", "", &variables).unwrap_err();
    assert!(
        problems[0].contains("unknown setting (environment variable AD_PLATFORM_PASSWORD_B)"),
        "{problems:?}"
    );
}

#[test]
fn a_thousand_problems_are_shown_as_fifty_and_their_number() {
    let text: String = (0..1000).map(|n| format!("[[accounts]]\nid = 'a{n}'\ncolour = 1\n")).collect();
    let file = Written::new(&text);
    let Command::Run(args) = command(&format!("run --config {}", file.path().display())) else { panic!() };
    let message = RunConfig::load(&args, &environment(&REQUIRED, "")).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 52, "{message}");
    assert!(
        message.starts_with("1000 settings are wrong:") && message.ends_with("and 950 more"),
        "{message}"
    );
}

#[test]
fn every_command_that_reads_settings_reads_the_file() {
    let file = Written::new(
        "database_url = { env = 'D' }\nlog_level = 'debug'\nmax_attempts = 9\n[[accounts]]\nid = 'a'\n",
    );
    let variables = [&REQUIRED[..], &[("D", "host=db")]].concat();
    let environment = environment(&variables, "");
    let path = file.path().display().to_string();
    let load = |line: &str| -> (DatabaseConfig, LogConfig) {
        use crate::cli::DeadLettersCommand::{Discard, List, Replay};
        match command(&line.replace("FILE", &path)) {
            Command::Run(args) => RunConfig::load(&args, &environment).map(|c| (c.database, c.log)),
            Command::Serve(args) => ServeConfig::load(&args, &environment).map(|c| (c.database, c.log)),
            Command::Plan(args) => PlanConfig::load(&args, &environment).map(|c| (c.database, c.log)),
            Command::Check(args) => CheckConfig::load(&args, &environment).map(|c| (c.database, c.log)),
            Command::Migrate(args) => MigrateConfig::load(&args, &environment).map(|c| (c.database, c.log)),
            Command::Runs(args) => RunsConfig::load(&args, &environment).map(|c| (c.database, c.log)),
            Command::DeadLetters(List(args)) => {
                ListConfig::load(&args, &environment).map(|c| (c.database, c.log))
            }
            Command::DeadLetters(Replay(args)) => {
                RunConfig::for_replay(&args, &environment).map(|c| (c.database, c.log))
            }
            Command::DeadLetters(Discard(args)) => {
                DiscardConfig::load(&args, &environment).map(|c| (c.database, c.log))
            }
            Command::Demo(_) | Command::MockPlatform(_) | Command::Completions(_) | Command::Man(_) => {
                panic!("they do not")
            }
        }
        .unwrap()
    };
    for line in [
        "run --config FILE",
        "serve --config FILE",
        "plan --config FILE",
        "check --config FILE",
        "migrate --config FILE",
        "runs --config FILE",
        "dead-letters list --config FILE",
        "dead-letters replay --config FILE",
        "dead-letters discard --all --config FILE",
    ] {
        let (database, log) = load(line);
        assert!(database.url.unwrap().to_string().contains("at db:5432"), "{line}");
        assert_eq!(log.level, "debug", "{line}");
    }
}

#[test]
fn a_plan_is_for_one_account_of_the_file_and_a_replay_for_all() {
    let file = Written::new(
        "request_timeout = '7s'\n[[accounts]]\nid = 'a'\n[[accounts]]\nid = 'b'\npage_size = 7\n",
    );
    let environment = environment(&REQUIRED, "");
    let plan = |flags: &str| {
        let Command::Plan(args) = command(&format!("plan --config {} {flags}", file.path().display())) else {
            panic!()
        };
        PlanConfig::load(&args, &environment)
    };
    for flags in ["--account b", "--account b --campaigns 5"] {
        let config = plan(flags).unwrap();
        assert_eq!((config.account.as_str(), config.pipeline.page_size.get()), ("b", 7));
        assert_eq!(config.request_timeout, Duration::from_secs(7));
    }
    let problem = plan("--campaigns 5").unwrap_err().to_string();
    assert!(
        problem.starts_with("--account is missing: ")
            && problem.contains("has 2 accounts, and a plan is for one"),
        "{problem}"
    );
    let Command::DeadLetters(crate::cli::DeadLettersCommand::Replay(args)) =
        command(&format!("dead-letters replay --class timeout --config {}", file.path().display()))
    else {
        panic!()
    };
    let config = RunConfig::for_replay(&args, &environment).unwrap();
    assert_eq!(ids(&config), ["a", "b"]);
    assert!(
        config.accounts.iter().all(|account| account
            .pipeline
            .replay
            .as_ref()
            .is_some_and(|filter| !filter.classes.is_empty()))
    );
}
