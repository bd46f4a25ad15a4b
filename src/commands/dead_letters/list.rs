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
    let letters = database.store.dead_letters(account, &config.filter, config.limit).await?;
    let text = match config.report {
        ReportFormat::Json => Value::from_iter(letters.iter().map(as_json)).to_string(),
        ReportFormat::Table if letters.is_empty() => {
            format!("no such dead letters in {}", database.store.database())
        }
        ReportFormat::Table => table(&letters).to_string(),
    };
    // Whoever has closed standard output has seen enough.
    let _ = writeln!(io::stdout(), "{text}");
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
