//! Secrets, which never stand in the file itself.

use super::*;

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
    assert_eq!(only(&config.accounts).platform.password.newest().expose_secret(), "hunter4");
    let ran = |name: &str| file.folder().join(name).exists();
    assert_eq!((ran("ran-a"), ran("ran-b")), (false, true));
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
        assert_eq!(only(&config.accounts).platform.password.newest().expose_secret(), "hunter3", "{secret}");
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
    let wanted = r#"password must be { env = "NAME" }, { file = "PATH" }, { command = ["program", "argument"] } or { age = "FILE" }: a secret is never in this file itself; its value is not shown (c.toml line 1, column 12)"#;
    assert_eq!(problems("password = 'hunter3'"), [wanted]);
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
