//! `migrate`: applies the migrations.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::MigrateConfig;
use crate::database::{self, Database};

/// Says what it applied.
pub async fn run(config: MigrateConfig) -> anyhow::Result<ExitCode> {
    let database = Database::open(&config.database, database::PRIVATE).await?;
    let applied = database.migrate().await?;
    let name = database.store.database();
    // The migrations are applied, whether or not somebody reads of it.
    let _ = match applied.as_slice() {
        [] => writeln!(io::stdout(), "{name} is up to date"),
        applied => writeln!(io::stdout(), "{name}: applied {}", applied.join(", ")),
    };
    database.close().await;
    Ok(ExitCode::SUCCESS)
}
