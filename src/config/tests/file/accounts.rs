//! Accounts, and what goes before what.

use super::*;

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
        (zoo.platform.password.newest().expose_secret(), acme.platform.password.newest().expose_secret()),
        ("hunter2", "hunter3")
    );
    assert_eq!((zoo.pipeline.concurrency.get(), acme.pipeline.concurrency.get()), (4, 3));
    assert_eq!(zoo.pipeline.rate_limits, RateLimits::Fixed(vec![limit(1, 1), limit(100, 3600)]));
    assert_eq!(acme.pipeline.rate_limits, RateLimits::Fixed(vec![limit(10, 60)]));
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
    assert_eq!(of("", &[("CAMPAIGN_SYNC_ACCOUNT", "acme,,")]).unwrap_err().len(), 1);
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
fn for_one_account_the_environments_login_replaces_the_files_and_for_several_it_is_refused() {
    let file = Written::new(TWO);
    let variables =
        [&PASSWORDS[..], &[("AD_PLATFORM_PASSWORD", "other"), ("AD_PLATFORM_EMAIL", "e@example.com")]]
            .concat();
    let config = file.run("--account acme --api-url https://other.example.com", &variables).unwrap();
    let platform = &only(&config.accounts).platform;
    assert_eq!(
        (platform.email.as_str(), platform.password.newest().expose_secret()),
        ("e@example.com", "other")
    );
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
fn a_flag_that_is_wrong_is_said_once_however_many_accounts_read_it() {
    let file = Written::new(TWO);
    let problems = file.run("--concurrency 0", &PASSWORDS).unwrap_err();
    assert_eq!(
        problems,
        [r#"--concurrency must be a whole number from 1 to 1024, not "0" (flag --concurrency)"#]
    );
}
