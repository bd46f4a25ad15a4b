//! `audit`: the rows of the audit log, the newest first. Their ids are for who pages: in JSON, and of the last row where there
//! are more.

use std::io::{self, Write};
use std::process::ExitCode;

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::config::{AuditConfig, ReportFormat};
use crate::database::{self, Database};
use crate::printable::printable;
use crate::report::time;
use crate::store::AuditRow;

/// Lists them.
pub async fn run(config: AuditConfig) -> anyhow::Result<ExitCode> {
    let database = Database::open_current(&config.database, database::PRIVATE).await?;
    let mut rows = database.store.audit_rows(&config.filter, config.limit + 1).await?;
    let more = rows.len() > config.limit as usize;
    rows.truncate(config.limit as usize);
    let text = match config.report {
        ReportFormat::Json => json!({ "audit": rows.iter().map(as_json).collect::<Vec<_>>() }).to_string(),
        ReportFormat::Table if rows.is_empty() => {
            format!("no such rows in the audit log of {}", database.store.database())
        }
        ReportFormat::Table => table(&rows).to_string(),
    };
    // Whoever has closed standard output has seen enough.
    let _ = writeln!(io::stdout(), "{text}");
    if let Some(last) = rows.last().filter(|_| more && config.report == ReportFormat::Table) {
        let ways = "shows the next ones, a higher --limit more at once";
        let _ =
            writeln!(io::stderr(), "there are more than these {}: --before {} {ways}", config.limit, last.id);
    }
    database.close().await;
    Ok(ExitCode::SUCCESS)
}

fn as_json(row: &AuditRow) -> Value {
    json!({
        "id": row.id,
        "at": time(row.at),
        "what": row.what,
        "account": row.account,
        "run_id": row.run,
        "database_user": row.database_user,
        "who": row.who,
        "details": row.details,
    })
}

fn table(rows: &[AuditRow]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["at", "what", "account", "run", "who", "details"]);
    for row in rows {
        table.add_row([
            time(row.at),
            row.what.clone(),
            printable(row.account.as_deref().unwrap_or_default()),
            row.run.map(|run| run.to_string()).unwrap_or_default(),
            printable(&who(row)),
            printable(&details(row)),
        ]);
    }
    table
}

/// For people: `ann@host, run, process 4711, as user sync`.
fn who(row: &AuditRow) -> String {
    let told = |key: &str| match &row.who[key] {
        Value::String(text) => text.clone(),
        Value::Null => "?".to_owned(),
        other => other.to_string(),
    };
    let operator = row.who["operator"].as_str().map(|address| format!("operator at {address}, by "));
    format!(
        "{}{}@{}, {}, process {}, as user {}",
        operator.unwrap_or_default(),
        told("os_user"),
        told("host"),
        told("command"),
        told("process"),
        row.database_user
    )
}

/// For people: `stored=3 status=complete`; a list by its length, for it can be long.
fn details(row: &AuditRow) -> String {
    let Value::Object(fields) = &row.details else { return row.details.to_string() };
    let told = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("({})", list.len()),
        other => other.to_string(),
    };
    let shown = fields.iter().filter(|(_, value)| !value.is_null());
    shown.map(|(key, value)| format!("{key}={}", told(value))).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn row(who: Value, details: Value) -> AuditRow {
        AuditRow {
            id: uuid::Uuid::nil(),
            at: SystemTime::UNIX_EPOCH,
            what: "account_paused".to_owned(),
            account: None,
            run: None,
            database_user: "sync".to_owned(),
            who,
            details,
        }
    }

    #[test]
    fn a_row_says_in_words_who_it_was_and_in_short_what() {
        let by = json!({ "os_user": "ann", "host": "db1", "command": "serve", "process": 7, "operator": "10.0.0.9:80" });
        let said = row(by, json!({ "stored": 3, "status": "complete", "runs": ["a", "b"], "listed": null }));
        assert_eq!(who(&said), "operator at 10.0.0.9:80, by ann@db1, serve, process 7, as user sync");
        assert_eq!(details(&said), "runs=(2) status=complete stored=3");
        assert_eq!(who(&row(json!({}), json!({}))), "?@?, ?, process ?, as user sync");
    }
}
