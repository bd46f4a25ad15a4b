//! `check`: validates configuration, credentials, database and schema, and says all that is wrong. It changes
//! nothing and asks the platform for nothing but a login.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::rc::Rc;

use actors::retry_policy::RetryPolicy;
use comfy_table::{Table, presets};

use crate::config::{CheckConfig, PlatformConfig};
use crate::private_postgres::PrivatePostgres;
use crate::store::{DatabaseUrl, PgStore};
use crate::syncer::client;

/// Exit code 0 where everything is in order, else 1. A wrong configuration does not come this far.
pub async fn run(config: CheckConfig) -> anyhow::Result<ExitCode> {
    let mut findings = vec![("configuration", Ok("valid".to_owned()))];
    for account in &config.accounts {
        findings.push(("credentials", credentials(&account.platform).await));
    }
    findings.extend(match &config.database.url {
        Some(url) => database(url).await,
        None => vec![("database", private_postgres())],
    });
    let all_well = findings.iter().all(|(_, finding)| finding.is_ok());
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (subject, finding) in findings {
        let (mark, text) = match finding {
            Ok(text) => ("ok", text),
            Err(text) => ("WRONG", text),
        };
        table.add_row([subject, mark, &text]);
    }
    // The exit code says it too.
    let _ = writeln!(io::stdout(), "{table}");
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whoever waits for a check wants to know about a platform that fails now and then, not to sit through an outage.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(3).expect("3 is not zero");

type Finding = Result<String, String>;

async fn credentials(platform: &PlatformConfig) -> Finding {
    let client = client(platform).map_err(|error| error.to_string())?;
    let retry = RetryPolicy { max_attempts: ATTEMPTS, ..RetryPolicy::default() };
    actors::check_credentials(Rc::new(client), retry).await?;
    Ok(format!("{} logs in at {}", platform.email, platform.api_url))
}

async fn database(url: &DatabaseUrl) -> Vec<(&'static str, Finding)> {
    let store = match PgStore::connect(url).await {
        Ok(store) => store,
        Err(error) => return vec![("database", Err(error.to_string()))],
    };
    let schema = store.require_current_schema().await;
    let schema = schema.map(|()| "up to date".to_owned()).map_err(|error| error.to_string());
    vec![("database", Ok(format!("connected to {url}"))), ("schema", schema)]
}

/// Starting one would make it, so it is only looked whether that could be done.
fn private_postgres() -> Finding {
    let programs = PrivatePostgres::server_programs().map_err(|error| error.to_string())?;
    Ok(format!("no DATABASE_URL is set; a private PostgreSQL can be run with {}", programs.display()))
}
