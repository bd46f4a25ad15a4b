//! What is wrong with a file is named all at once, with its place.

use super::*;

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
