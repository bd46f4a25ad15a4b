//! A connection of the pool with its prepared statements, and how the pool makes and judges one.
//! Promises that a session whose work was cut off, or to whom the server said that it is away, is never used again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors::ports::StoreError;
use bb8::{ErrorSink, ManageConnection};
use bb8_postgres::PostgresConnectionManager;
use tokio::time::{Instant, timeout};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::database_url::DatabaseUrl;
use super::{error, who};

/// Of a connection as a whole: every address of the URL, and the handshake.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// In messages.
const CONNECTING: &str = "connect to";
/// The server gives up before the client does (`OPERATION_LIMIT`), and says why. It gives up on a lock sooner than on the
/// statement that waits for it, so that the error tells the one from the other. A transaction whose client was stopped in the
/// middle of it does not keep its locks. What a row holds when it is locked is what counts, whatever the database's own way
/// is (`commit.rs`).
const SETTINGS: &str = "\
SET statement_timeout = '50s'; SET lock_timeout = '40s'; SET idle_in_transaction_session_timeout = '60s';
SET default_transaction_isolation = 'read committed'";
/// Who we are, for the audit log, and where our tables are: in `public`, or where the database URL has a `search_path` of its
/// own (`$2`), in the first schema of that which is there. Whatever role and database have set, no other schema is looked at,
/// and temporary tables last. A schema that the user may not use is left alone on the path, else temporary tables would be
/// made in its place. Nothing here is found by the path that was there before.
const PLACE: &str = "\
SELECT pg_catalog.set_config('campaign_sync.who', $1, false),
       pg_catalog.set_config('search_path', CASE
           WHEN pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace(pg_catalog.quote_ident(ours)), 'USAGE')
           THEN pg_catalog.concat(pg_catalog.quote_ident(ours), ', pg_temp')
           WHEN $2 THEN pg_catalog.current_setting('search_path')
           ELSE 'public' END, false)
FROM (SELECT CASE WHEN $2 THEN pg_catalog.current_schema() ELSE 'public' END::pg_catalog.text AS ours) place";

/// Makes sessions.
pub(super) struct Sessions {
    database: DatabaseUrl,
}

/// One connection.
pub(super) struct Session {
    /// The driver's end of it.
    pub(super) client: Client,
    statements: HashMap<&'static str, Statement>,
    /// Set while something runs, so that a future dropped in the middle of a transaction leaves it set.
    pub(super) in_use: bool,
}

impl Session {
    /// The statement, prepared on this connection at most once. The texts are constants, so their number is bounded.
    pub(super) async fn prepared(&mut self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

impl Sessions {
    pub(super) fn new(database: DatabaseUrl) -> Self {
        Self { database }
    }

    /// Which database they lead to.
    pub(super) fn database(&self) -> &DatabaseUrl {
        &self.database
    }

    /// A connection that does not belong to the pool and has none of its time limits. It sees our schema alone.
    pub(super) async fn bare(&self) -> Result<Client, StoreError> {
        let connected = async {
            let client = self.connect_once().await?;
            let (who, has_path) = (who::this_process(), self.database.has_search_path());
            let placed = client.query_typed(PLACE, &[(&who, Type::TEXT), (&has_path, Type::BOOL)]).await;
            placed.map_err(|error| error::explain(&self.database, CONNECTING, &error))?;
            Ok(client)
        };
        match timeout(CONNECT_LIMIT, connected).await {
            Ok(connected) => connected,
            Err(_) => Err(error::timed_out(&self.database, CONNECTING, CONNECT_LIMIT.as_secs())),
        }
    }

    /// A password that is refused is read again, and what is new there is tried once.
    async fn connect_once(&self) -> Result<Client, StoreError> {
        let database = self.database.newest();
        let explained = |error| error::explain(&self.database, CONNECTING, &error);
        match self.connect_to(&database).await? {
            Err(error) if error.code() == Some(&SqlState::INVALID_PASSWORD) => {
                let Some(newer) = database.after_refusal().await else { return Err(explained(error)) };
                self.connect_to(&newer).await?.map_err(explained)
            }
            connected => connected.map_err(explained),
        }
    }

    /// What the server says, where it can be asked.
    async fn connect_to(
        &self,
        database: &DatabaseUrl,
    ) -> Result<Result<Client, tokio_postgres::Error>, StoreError> {
        let encryption = database.encryption_used();
        // It reads files, and of the system's authorities many.
        let client = tokio::task::spawn_blocking(move || encryption.client()).await;
        let client = client.map_err(|bug| error::broken(&self.database, CONNECTING, &bug.to_string(), ""))?;
        let client = client.map_err(|cause| error::unusable(&self.database, CONNECTING, &cause))?;
        let tls = MakeRustlsConnect::new(client);
        let config = database.config();
        let connected = match connect(config, tls.clone()).await {
            Err(error) if config.get_ssl_mode() == SslMode::Prefer && is_about_encryption(&error) => {
                let mut plain = config.clone();
                plain.ssl_mode(SslMode::Disable);
                // Where that is not allowed either, the first answer says more.
                connect(&plain, tls).await.map_err(|_| error)
            }
            connected => connected,
        };
        Ok(connected)
    }
}

async fn connect(config: &Config, tls: MakeRustlsConnect) -> Result<Client, tokio_postgres::Error> {
    PostgresConnectionManager::new(config.clone(), tls).connect().await
}

/// Whether the same could be had without: where encryption fails, and where the server's rules do not let this user in
/// with it. libpq takes it so for `sslmode=prefer`, which makes no promise.
fn is_about_encryption(error: &tokio_postgres::Error) -> bool {
    error::is_of_the_handshake(error) || error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

impl ManageConnection for Sessions {
    type Connection = Session;
    type Error = StoreError;

    async fn connect(&self) -> Result<Session, StoreError> {
        let client = self.bare().await?;
        client
            .batch_execute(SETTINGS)
            .await
            .map_err(|error| error::explain(&self.database, "set up a connection to", &error))?;
        Ok(Session { client, statements: HashMap::new(), in_use: false })
    }

    async fn is_valid(&self, session: &mut Session) -> Result<(), StoreError> {
        session.in_use = true;
        session
            .client
            .simple_query("")
            .await
            .map_err(|error| error::explain(&self.database, "use a connection to", &error))?;
        session.in_use = false;
        Ok(())
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.in_use || session.client.is_closed()
    }
}

/// What the pool's own attempts to connect ran into last; without it, a pool says only that it timed out.
#[derive(Clone, Debug, Default)]
pub(super) struct LastFailure(Arc<Mutex<Option<(Instant, StoreError)>>>);

impl LastFailure {
    /// A connection was had, so no later error is explained by an old one.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Not where it is longer ago. It stays, for all who wait find the same.
    pub(super) fn within(&self, limit: Duration) -> Option<StoreError> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        last.filter(|(at, _)| at.elapsed() <= limit).map(|(_, error)| error)
    }
}

impl ErrorSink<StoreError> for LastFailure {
    fn sink(&self, error: StoreError) {
        tracing::debug!(%error, "database connection failed");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), error));
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<StoreError>> {
        Box::new(self.clone())
    }
}
