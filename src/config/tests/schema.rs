//! The JSON Schema of the configuration file. It is made here, from the table of settings, the command line's help and the
//! parsers' own words for what they allow; the repository keeps it for editors.

use clap::CommandFactory;
use serde_json::{Map, Value, json};

use super::file::Written;
use super::*;
use crate::config::setting::{Form, InFile, Of, SECRETS, SETTINGS, Secret, Setting};

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/campaign-sync.schema.json");

pub(super) fn schema() -> Value {
    let mut account = properties(|of| of == Of::Account);
    let id = "Name of the account, sent as x-client-id; each account has another one";
    account.insert(
        "id".to_owned(),
        json!({ "type": "string", "minLength": 1, "maxLength": 128, "description": id }),
    );
    let mut top = properties(|_| true);
    let accounts = json!({
        "type": "array",
        "minItems": 1,
        "maxItems": 10_000,
        "description": "The accounts to sync. What one does not state is taken from the top level",
        "items": { "type": "object", "required": ["id"], "additionalProperties": false, "properties": account },
    });
    top.insert("accounts".to_owned(), accounts);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "campaign-sync.toml",
        "description": "Configuration of campaign-sync. What stands at the top level is the default of all accounts",
        "type": "object",
        "additionalProperties": false,
        "properties": top,
        "$defs": { "secret": secret_of_any_kind() },
    })
}

fn properties(stand_here: impl Fn(Of) -> bool) -> Map<String, Value> {
    let settings = SETTINGS.iter().filter_map(|setting| Some((*setting, setting.in_file.as_ref()?)));
    let settings = settings.filter(|(_, in_file)| stand_here(in_file.of));
    let settings = settings.map(|(setting, in_file)| (in_file.key.to_owned(), value(setting, in_file)));
    let secrets = SECRETS.iter().filter(|secret| stand_here(secret.of));
    settings.chain(secrets.map(|secret| (secret.key.to_owned(), secret_value(secret)))).collect()
}

fn value(setting: &Setting, InFile { form, judge, .. }: &InFile) -> Value {
    let mut value = match form {
        Form::Text | Form::Path => json!({ "type": "string" }),
        Form::Whole => json!({ "type": ["integer", "string"] }),
        Form::Number => json!({ "type": ["number", "string"] }),
        Form::List => json!({
            "type": ["string", "array"], "items": { "type": "string" }, "minItems": 1,
        }),
        Form::Switch => json!({ "type": "boolean" }),
    };
    let allowed = judge("").expect_err("no setting is empty").allowed;
    value["description"] = format!("{}. Allowed: {allowed}", help(setting.flag)).into();
    if let Some(default) = setting.default {
        value["default"] = match form {
            Form::Whole | Form::Number => default.parse().expect("the default is a number"),
            _ => default.into(),
        };
    }
    value
}

fn secret_value(Secret { name, variable, .. }: &Secret) -> Value {
    let description = format!(
        "The {name}, or rather where it is; it never stands here. Else {variable} of the environment"
    );
    json!({ "description": description, "$ref": "#/$defs/secret" })
}

fn secret_of_any_kind() -> Value {
    let one = |key: &str, value: Value| json!({ "type": "object", "required": [key], "additionalProperties": false, "properties": { key: value } });
    let words = json!({
        "type": "array", "minItems": 1, "maxItems": 64, "items": { "type": "string" },
        "description": "Program and arguments, run in the folder of this file without a shell; the secret is what it prints",
    });
    let path = "Path of a file that holds it, relative to the folder of this file";
    json!({ "oneOf": [
        one("env", json!({ "type": "string", "pattern": "^[A-Za-z0-9_]+$", "description": "Variable of the environment that holds it" })),
        one("file", json!({ "type": "string", "minLength": 1, "description": path })),
        one("command", words),
        one("age", json!({ "type": "string", "minLength": 1, "description": "Path of a file that holds it, encrypted with age (campaign-sync secrets encrypt), relative to the folder of this file" })),
    ] })
}

/// What the command line says of the flag, without where else it can be given.
fn help(flag: &str) -> String {
    let cli = Cli::command();
    let prune = cli.find_subcommand("audit").unwrap().find_subcommand("prune").unwrap();
    let commands = ["run", "serve"].map(|name| cli.find_subcommand(name).unwrap());
    let mut flags = commands.into_iter().chain([prune]).flat_map(|command| command.get_arguments());
    let arg = flags.find(|arg| arg.get_long() == Some(flag.trim_start_matches("--")));
    let help = arg.unwrap_or_else(|| panic!("no {flag}")).get_help().unwrap().to_string();
    let text = help.split(" [env: ").next().unwrap().split(" [default: ").next().unwrap();
    text.trim().to_owned()
}

/// Whether a file is one by the schema: every problem that it has.
pub(super) fn problems_by_schema(toml: &str) -> Vec<String> {
    let file: Value = toml::from_str(toml).unwrap();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    validator.iter_errors(&file).map(|error| error.to_string()).collect()
}

#[test]
fn the_schema_in_the_repository_is_the_one_of_the_settings() {
    let current = format!("{:#}\n", schema());
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(KEPT, &current).unwrap();
    }
    let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
    assert!(
        kept == current,
        "campaign-sync.schema.json is out of date: renew it with `RENEW=1 cargo test --lib the_schema_in_the_repository`"
    );
}

#[test]
fn the_schema_is_a_schema() {
    assert!(jsonschema::meta::is_valid(&schema()));
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    for (line, says) in [
        ("concurency = 8", "concurency"),
        ("password = 's3cret'", "secret"),
        ("password = { env = 'A', file = 'B' }", ""),
        ("password = { command = [] }", ""),
        ("email = 5", ""),
        ("concurrency = true", ""),
        ("rate_limit = []", ""),
        ("accounts = []", ""),
        ("accounts = [{ email = 'a@example.com' }]", "id"),
        ("accounts = [{ id = 'a', report = 'json' }]", "report"),
        ("[accounts]\nid = 'a'", ""),
    ] {
        assert!(!problems_by_schema(line).is_empty(), "{line}: {says}");
        assert!(Written::new(line).run("", &REQUIRED).is_err(), "{line}");
    }
}
