//! The keys, and the commands that read them.

use super::*;

#[test]
fn every_key_reaches_its_setting() {
    let text = r#"
        api_url = "http://ads.example.com/"
        allow_http = true
        ca_file = "ca.pem"
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
        audit_retention = "60d"
        batch_size = 13
        batch_linger = "14ms"
        max_wait = "16s"
        max_shrink = 25e-2
        max_in_flight = 1_7
        schedule = "18min"
        listen = "127.0.0.1:19"
        listen_certificate = "server.pem"
        listen_key = "server-key.pem"
        listen_without_tls = true
        api_token = { env = "T" }
        age_identity = { env = "I" }
        report = "json"
        log_format = "json"
        log_level = "debug"
        otlp_endpoint = "http://collector:4318"
    "#;
    let config = run_file(text, "", &[("P", "hunter3"), ("D", "host=db")]).unwrap();
    assert_ne!(config.authorities, Authorities::default());
    let AccountConfig { platform, pipeline, schedule } = only(&config.accounts);
    assert_eq!(schedule.to_string(), "18min");
    assert_eq!(
        (platform.api_url.as_str(), platform.account.as_str()),
        ("http://ads.example.com/", "default")
    );
    assert_eq!(
        (platform.email.as_str(), platform.password.newest().expose_secret()),
        ("bob@example.com", "hunter3")
    );
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
fn every_command_that_reads_settings_reads_the_file() {
    let file = Written::new(
        "database_url = { env = 'D' }\nlog_level = 'debug'\nmax_attempts = 9\n[[accounts]]\nid = 'a'\n",
    );
    let variables = [&REQUIRED[..], &[("D", "host=db")]].concat();
    let environment = environment(&variables, "");
    let path = file.path().display().to_string();
    let load = |line: &str| -> (DatabaseConfig, LogConfig) {
        use crate::cli::DeadLettersCommand::{Discard, List, Replay};
        use crate::cli::{AuditArgs, AuditCommand};
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
            Command::Audit(AuditArgs { command: None, list }) => {
                AuditConfig::load(&list, &environment).map(|c| (c.database, c.log))
            }
            Command::Audit(AuditArgs { command: Some(AuditCommand::Prune(args)), .. }) => {
                AuditPruneConfig::load(&args, &environment).map(|c| (c.database, c.log))
            }
            Command::Demo(_)
            | Command::MockPlatform(_)
            | Command::Completions(_)
            | Command::Man(_)
            | Command::Secrets(_) => panic!("they do not, or have no database"),
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
        "audit --config FILE",
        "audit prune --config FILE",
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
