//! `check`: validates configuration, credentials, database, schema and rights, and says all that is wrong. It changes
//! nothing and asks each account's platform for nothing but a login.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::rc::Rc;

use actors::ports::StoreError;
use actors::retry_policy::RetryPolicy;
use comfy_table::{Table, presets};
use futures_util::StreamExt;
use futures_util::stream;

use crate::config::{AccountConfig, CheckConfig, PlatformConfig};
use crate::printable::printable;
use crate::private_postgres::PrivatePostgres;
use crate::store::{DatabaseUrl, PgStore};
use crate::syncer::client;
use crate::tls::Authorities;

/// Exit code 0 where everything is in order, else 1. A wrong configuration does not come this far.
pub async fn run(config: CheckConfig) -> anyhow::Result<ExitCode> {
    let number = config.accounts.len();
    let mut findings = vec![("configuration", Ok(format!("valid, with {number} account{}", plural(number))))];
    findings.extend(match &config.database.url {
        Some(url) => database(url).await,
        None => vec![("database", private_postgres())],
    });
    let logins: Vec<Finding> = stream::iter(&config.accounts)
        .map(|account| credentials(&account.platform, &config.authorities))
        .buffered(LOGINS_AT_ONCE)
        .collect()
        .await;
    let all_well = findings.iter().map(|(_, finding)| finding).chain(&logins).all(Result::is_ok);
    // The exit code says it too.
    let _ = writeln!(io::stdout(), "{}\n\n{}", subjects(findings), accounts(&config.accounts, logins));
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whoever waits for a check wants to know about a platform that fails now and then, not to sit through an outage.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(3).expect("3 is not zero");
/// A thousand accounts that take their minute each are two hours; a platform that they share should not notice.
const LOGINS_AT_ONCE: usize = 8;

type Finding = Result<String, String>;

/// Takes a minute at the most.
async fn credentials(platform: &PlatformConfig, authorities: &Authorities) -> Finding {
    let client = client(platform, authorities).map_err(|error| error.to_string())?;
    let retry = RetryPolicy { max_attempts: ATTEMPTS, ..RetryPolicy::default() };
    actors::check_credentials(Rc::new(client), retry).await?;
    Ok(format!("{} logs in", platform.email))
}

fn subjects(findings: Vec<(&str, Finding)>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (subject, finding) in findings {
        let (mark, text) = marked(finding);
        table.add_row([subject, mark, &text]);
    }
    table
}

fn accounts(accounts: &[AccountConfig], logins: Vec<Finding>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["account", "platform", "", "credentials"]);
    for (AccountConfig { platform, .. }, login) in accounts.iter().zip(logins) {
        let (mark, text) = marked(login);
        table.add_row([platform.account.as_str(), platform.api_url.as_str(), mark, &printable(&text)]);
    }
    table
}

fn marked(finding: Finding) -> (&'static str, String) {
    match finding {
        Ok(text) => ("ok", text),
        Err(text) => ("WRONG", text),
    }
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}

async fn database(url: &DatabaseUrl) -> Vec<(&'static str, Finding)> {
    let store = match PgStore::connect(url).await {
        Ok(store) => store,
        Err(error) => return vec![("database", Err(error.to_string()))],
    };
    let finding = |outcome: Result<(), StoreError>, well: &str| {
        outcome.map(|()| well.to_owned()).map_err(|error| error.to_string())
    };
    let schema = finding(store.require_current_schema().await, "up to date");
    let is_current = schema.is_ok();
    let mut findings = vec![("database", Ok(format!("connected to {url}"))), ("schema", schema)];
    if is_current {
        findings.push(("rights", finding(store.require_rights().await, "all that run and serve need")));
    }
    findings
}

/// Starting one would make it, so it is only looked whether that could be done.
fn private_postgres() -> Finding {
    let programs = PrivatePostgres::server_programs().map_err(|error| error.to_string())?;
    Ok(format!("no DATABASE_URL is set; a private PostgreSQL can be run with {}", programs.display()))
}
