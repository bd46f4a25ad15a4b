//! The database that a command works on: the configured one, or a private PostgreSQL for as long as the command
//! takes.

use anyhow::Context;
use tracing::info;

use crate::config::DatabaseConfig;
use crate::private_postgres::{Durability, HowToOpen, PrivatePostgres, PrivatePostgresSettings};
use crate::store::PgStore;

/// The user's own database in the private cluster.
pub const PRIVATE: &str = "campaign_sync";

/// An open database.
pub struct Database {
    /// What the commands work with.
    pub store: PgStore,
    private: Option<PrivatePostgres>,
    name: String,
}

impl Database {
    /// The configured one, else `name` in the private cluster, which is made and started where need be.
    pub async fn open(config: &DatabaseConfig, name: &str) -> anyhow::Result<Self> {
        if let Some(url) = &config.url {
            return Ok(Self { store: PgStore::connect(url).await?, private: None, name: name.to_owned() });
        }
        let private = start_private(config).await?;
        private.create_database(name).await?;
        Self::in_private(private, name).await
    }

    /// As [`Self::open`], and it is an error that says what to do where the schema is not the one that this program knows.
    pub async fn open_current(config: &DatabaseConfig, name: &str) -> anyhow::Result<Self> {
        let database = Self::open(config, name).await?;
        match database.store.require_current_schema().await {
            Ok(()) => Ok(database),
            Err(error) => {
                database.close().await;
                Err(error.into())
            }
        }
    }

    /// As [`Self::open`], but makes nothing: none where there is no such database in a private cluster yet.
    pub async fn open_existing(config: &DatabaseConfig, name: &str) -> anyhow::Result<Option<Self>> {
        if config.url.is_some() {
            return Self::open(config, name).await.map(Some);
        }
        if !config.private_directory.as_deref().is_some_and(PrivatePostgres::has_cluster) {
            return Ok(None);
        }
        let private = start_private(config).await?;
        if private.has_database(name).await? {
            return Self::in_private(private, name).await.map(Some);
        }
        private.stop().await;
        Ok(None)
    }

    async fn in_private(private: PrivatePostgres, name: &str) -> anyhow::Result<Self> {
        let store = PgStore::connect(&private.database_url(name)).await?;
        Ok(Self { store, private: Some(private), name: name.to_owned() })
    }

    /// Applies what is pending of the migrations.
    pub async fn migrate(&self) -> anyhow::Result<Vec<String>> {
        let applied = self.store.migrate().await?;
        if !applied.is_empty() {
            info!(migrations = applied.join(", "), "migrated");
        }
        Ok(applied)
    }

    /// For a person who wants to look at a private database after the command has ended.
    pub fn how_to_open(&self) -> Option<HowToOpen> {
        self.private.as_ref().map(|private| private.how_to_open(&self.name))
    }

    /// Ends what was started.
    pub async fn close(self) {
        let Self { store, private, .. } = self;
        drop(store);
        if let Some(private) = private {
            private.stop().await;
        }
    }
}

async fn start_private(config: &DatabaseConfig) -> anyhow::Result<PrivatePostgres> {
    let directory = config
        .private_directory
        .clone()
        .context("no DATABASE_URL is set, and without HOME there is no place for a private PostgreSQL")?;
    info!(directory = %directory.display(), "no DATABASE_URL is set, starting a private PostgreSQL");
    let settings = PrivatePostgresSettings { directory, durability: Durability::Durable };
    Ok(PrivatePostgres::start(&settings).await?)
}
