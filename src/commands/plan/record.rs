//! Where a plan records what it sends, so that the next run counts it: the database of `run`, as it is. A plan makes
//! none and applies no migration; where nothing can be recorded, it goes on without.

use std::rc::Rc;

use actors::model::{AccountId, Run};
use actors::ports::Store;
use tracing::warn;

use crate::config::DatabaseConfig;
use crate::database::{self, Database};
use crate::private_postgres::PrivatePostgresError;
use crate::store::PgStore;

/// An open record.
pub(super) struct Record {
    database: Database,
    borrowed: Run,
}

/// The record; or, where there can be none, why, in a few words. It is an error where a run may be at work on the
/// account: two at once would share its limit and not know it.
pub(super) async fn open(
    config: &DatabaseConfig,
    account: &AccountId,
) -> anyhow::Result<Result<Record, &'static str>> {
    let database = match Database::open_existing(config, database::PRIVATE).await {
        Ok(Some(database)) => database,
        Ok(None) => return Ok(Err("no database yet")),
        Err(error) if is_in_use(&error) => return Err(error),
        Err(error) => return Ok(Err(go_on_without(&error, "the database cannot be reached"))),
    };
    if let Err(error) = database.store.require_current_schema().await {
        database.close().await;
        return Ok(Err(go_on_without(&error.into(), "the database does not have this program's schema")));
    }
    match database.store.borrow_account(account).await {
        Ok(borrowed) => Ok(Ok(Record { database, borrowed })),
        Err(error) => {
            database.close().await;
            Err(error.into())
        }
    }
}

impl Record {
    /// As a probe takes it.
    pub(super) fn of_probe(&self) -> (Rc<PgStore>, Run) {
        (Rc::new(self.database.store.clone()), self.borrowed.clone())
    }

    /// Gives the account back, and ends what was started.
    pub(super) async fn close(self) {
        self.database.store.give_back(&self.borrowed).await;
        self.database.close().await;
    }
}

/// Whoever uses the private PostgreSQL may do so for this account.
fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(PrivatePostgresError::InUse { .. }))
}

fn go_on_without(error: &anyhow::Error, because: &'static str) -> &'static str {
    warn!(cause = format!("{error:#}"), "what this plan sends is not recorded");
    because
}
