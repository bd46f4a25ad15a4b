//! The example of a configuration file: it is right as it stands, and tells everything.

use super::file::{Written, ids};
use super::schema::problems_by_schema;
use super::*;
use crate::config::setting::{Of, SECRETS, SETTINGS};

const EXAMPLE: &str = include_str!("../../../campaign-sync.example.toml");
const VARIABLES: [(&str, &str); 4] = [
    ("DATABASE_URL_OF_ADS", "host=db"),
    ("OPERATOR_TOKEN", "0123456789abcdef"),
    ("ACME_PASSWORD", "hunter2"),
    ("ZOO_PASSWORD", "hunter3"),
];

/// A setting that is commented out: `#key = value`. A comment for people has a space behind its sign.
fn switched_on(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
}

fn all_on() -> String {
    EXAMPLE.lines().map(|line| switched_on(line).unwrap_or(line).to_owned() + "\n").collect()
}

#[test]
fn the_example_is_a_configuration_as_it_stands_and_with_all_its_settings_switched_on() {
    for text in [EXAMPLE.to_owned(), all_on()] {
        let file = Written::new(&text);
        let config = file.run("", &VARIABLES).unwrap();
        assert_eq!(ids(&config), ["acme", "zoo"]);
        let path = file.path().display().to_string();
        let Command::Check(args) = command(&format!("check --config {path}")) else { panic!() };
        assert_eq!(CheckConfig::load(&args, &environment(&VARIABLES, "")).unwrap().accounts.len(), 2);
        assert_eq!(problems_by_schema(&text), [] as [String; 0]);
    }
}

#[test]
fn the_example_tells_every_setting_with_its_default_and_a_line_about_it() {
    let (top, account) = EXAMPLE.split_once("[[accounts]]").unwrap();
    let lines: Vec<&str> = top.lines().collect();
    let keys = SETTINGS.iter().filter_map(|setting| Some((setting.in_file.as_ref()?.key, setting.default)));
    let keys = keys.chain(SECRETS.iter().map(|secret| (secret.key, None)));
    for (key, default) in keys {
        let of = |line: &str| switched_on(line).unwrap_or(line).starts_with(&format!("{key} = "));
        let which = lines.iter().position(|line| of(line)).unwrap_or_else(|| panic!("{key} is not told"));
        assert!(lines[which - 1].starts_with("# "), "nothing is said about {key}");
        let value = switched_on(lines[which]).unwrap_or(lines[which]).split_once(" = ").unwrap().1;
        if let Some(default) = default {
            let told = value.trim_matches(['"', '[', ']']);
            assert_eq!(told, default, "the default of {key}");
        }
    }
    assert!(account.contains("\nid = "));
}

#[test]
fn the_example_of_the_readme_is_a_configuration() {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    assert_eq!(problems_by_schema(text), [] as [String; 0]);
    // Who has no password manager of that name has another program that prints something.
    let file = Written::new(&text.replace(r#""pass""#, r#""echo""#));
    std::fs::create_dir(file.folder().join("secrets")).unwrap();
    std::fs::write(file.folder().join("secrets/database-url"), "host=db\n").unwrap();
    let config = file.run("", &[("ACME_PASSWORD", "hunter2")]).unwrap();
    assert_eq!(ids(&config), ["acme", "zoo"]);
    assert_eq!(config.accounts[1].platform.password.newest().expose_secret(), "show ads/zoo");
}

#[test]
fn the_defaults_of_the_example_are_those_of_the_program() {
    let defaults = |text: &str| -> Vec<AccountConfig> {
        // What has no default, but for which account, is the same in both.
        let kept = |line: &&str| !line.starts_with("retry = ");
        let text: String = text.lines().filter(kept).map(|line| line.to_owned() + "\n").collect();
        Written::new(&text).run("", &VARIABLES).unwrap().accounts
    };
    let (off, on) = (defaults(EXAMPLE), defaults(&all_on()));
    for (off, on) in off.iter().zip(&on) {
        assert_eq!(off.pipeline, on.pipeline);
        assert_eq!(off.platform.request_timeout, on.platform.request_timeout);
    }
    let of_accounts =
        SETTINGS.iter().filter(|setting| setting.in_file.as_ref().is_some_and(|it| it.of == Of::Account));
    assert!(of_accounts.count() > 10);
}
