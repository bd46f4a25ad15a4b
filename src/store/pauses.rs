//! Which accounts an operator has paused: kept here, so that a pause outlives the service.

use std::collections::HashMap;
use std::time::SystemTime;

use actors::model::AccountId;

use super::Failure;
use super::session::Session;

/// A second one changes nothing, but for that it yields a row.
const PAUSE: &str = "\
INSERT INTO paused_accounts AS known (account_id) VALUES ($1)
ON CONFLICT (account_id) DO UPDATE SET paused_at = known.paused_at RETURNING paused_at";

const RESUME: &str = "DELETE FROM paused_accounts WHERE account_id = $1";

const PAUSED: &str = "SELECT account_id, paused_at FROM paused_accounts WHERE account_id = ANY ($1)";

pub(super) async fn pause(session: &mut Session, account: &AccountId) -> Result<SystemTime, Failure> {
    let statement = session.prepared(PAUSE).await?;
    Ok(session.client.query_one(&statement, &[&account.as_str()]).await?.get(0))
}

pub(super) async fn resume(session: &mut Session, account: &AccountId) -> Result<(), Failure> {
    let statement = session.prepared(RESUME).await?;
    session.client.execute(&statement, &[&account.as_str()]).await?;
    Ok(())
}

pub(super) async fn paused(
    session: &mut Session,
    accounts: &[AccountId],
) -> Result<HashMap<AccountId, SystemTime>, Failure> {
    let statement = session.prepared(PAUSED).await?;
    let names: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
    let rows = session.client.query(&statement, &[&names]).await?;
    Ok(rows.iter().map(|row| (row.get::<_, &str>(0).into(), row.get(1))).collect())
}
