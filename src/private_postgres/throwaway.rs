//! A server for a test: a new cluster in a temporary directory, gone when it is dropped.

use std::env;
use std::fs;
use std::ops::Deref;
use std::path::PathBuf;

use super::directory::{Owner, temporary_directory};
use super::{Durability, PrivatePostgres, PrivatePostgresError, PrivatePostgresSettings};

/// A [`PrivatePostgres`] whose directory is removed with it. Each has its own cluster, so tests may run side by
/// side, in one process or in many.
pub struct ThrowawayPostgres {
    // Fields are dropped in order: the server before its files.
    postgres: PrivatePostgres,
    _directory: RemovedAtDrop,
}

impl Deref for ThrowawayPostgres {
    type Target = PrivatePostgres;

    fn deref(&self) -> &PrivatePostgres {
        &self.postgres
    }
}

struct RemovedAtDrop(PathBuf);

impl Drop for RemovedAtDrop {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever empties the temporary directory.
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Starts a server for a test; takes about a second. Needs the server programs that the program itself needs.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let postgres = campaign_sync::private_postgres::throwaway().await?;
/// postgres.create_database("ads").await?;
/// let store = campaign_sync::store::PgStore::connect(&postgres.database_url("ads")).await?;
/// store.migrate().await?;
/// # Ok(())
/// # }
/// ```
pub async fn throwaway() -> Result<ThrowawayPostgres, PrivatePostgresError> {
    start(Durability::Throwaway).await
}

/// The same, but what it has committed is on the disk: for what measures the time that this takes.
pub async fn throwaway_durable() -> Result<ThrowawayPostgres, PrivatePostgresError> {
    start(Durability::Durable).await
}

async fn start(durability: Durability) -> Result<ThrowawayPostgres, PrivatePostgresError> {
    let directory = RemovedAtDrop(temporary_directory(&env::temp_dir(), &Owner::of_this_process()?)?);
    let settings = PrivatePostgresSettings { directory: directory.0.clone(), durability };
    Ok(ThrowawayPostgres { postgres: PrivatePostgres::start(&settings).await?, _directory: directory })
}
