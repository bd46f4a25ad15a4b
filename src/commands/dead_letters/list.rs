//! `dead-letters list`: the newest failure first.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::table;
use crate::config::{ListConfig, ReportFormat};
use crate::database::{self, Database};
use crate::report::time;
use crate::store::DeadLetterRow;

/// Lists them.
pub async fn run(config: ListConfig) -> anyhow::Result<ExitCode> {
    let database = Database::open_current(&config.database, database::PRIVATE).await?;
    let account = config.account.as_ref().map(|account| account.as_str());
    let mut letters = database.store.dead_letters(account, &config.filter, config.limit + 1).await?;
    let more = letters.len() > config.limit as usize;
    letters.truncate(config.limit as usize);
    let text = match config.report {
        ReportFormat::Json => Value::from_iter(letters.iter().map(as_json)).to_string(),
        ReportFormat::Table if letters.is_empty() => {
            format!("no such dead letters in {}", database.store.database())
        }
        ReportFormat::Table => table(&letters).to_string(),
    };
    // Whoever has closed standard output has seen enough.
    let _ = writeln!(io::stdout(), "{text}");
    if more && config.report == ReportFormat::Table {
        let ways = "a higher --limit shows them, --account, --campaign and --class leave out others";
        let _ = writeln!(io::stderr(), "there are more than these {}: {ways}", config.limit);
    }
    database.close().await;
    Ok(ExitCode::SUCCESS)
}

fn as_json(letter: &DeadLetterRow) -> Value {
    json!({
        "account": letter.account,
        "campaign": letter.campaign,
        "run_id": letter.run,
        "class": letter.class,
        "message": letter.message,
        "attempts": letter.attempts,
        "first_failed_at": time(letter.first_failed_at),
        "last_failed_at": time(letter.last_failed_at),
        "payload": letter.payload,
    })
}
