//! Which accounts an operator has paused: kept here, so that a pause outlives the service.

use std::collections::HashMap;
use std::time::SystemTime;

use actors::model::AccountId;

use super::session::Session;
use super::{Failure, who};

/// A second one changes nothing, but for that it yields a row. It is not recorded, either: `audited` sees the table as it was
/// before the statement.
const PAUSE: &str = "\
WITH paused AS (
    INSERT INTO paused_accounts AS known (account_id) VALUES ($1)
    ON CONFLICT (account_id) DO UPDATE SET paused_at = known.paused_at RETURNING paused_at
), audited AS (
    INSERT INTO audit_log (what, account_id, who) SELECT 'account_paused', $1, $2::text::jsonb
    WHERE NOT EXISTS (SELECT FROM paused_accounts WHERE account_id = $1)
)
SELECT paused_at FROM paused";

const RESUME: &str = "\
WITH resumed AS (DELETE FROM paused_accounts WHERE account_id = $1 RETURNING account_id, paused_at)
INSERT INTO audit_log (what, account_id, who, details)
SELECT 'account_resumed', account_id, $2::text::jsonb, jsonb_build_object('paused_at', paused_at) FROM resumed";

const PAUSED: &str = "SELECT account_id, paused_at FROM paused_accounts WHERE account_id = ANY ($1)";

pub(super) async fn pause(
    session: &mut Session,
    account: &AccountId,
    address: &str,
) -> Result<SystemTime, Failure> {
    let statement = session.prepared(PAUSE).await?;
    let row = session.client.query_one(&statement, &[&account.as_str(), &who::operator(address)]).await?;
    Ok(row.get(0))
}

pub(super) async fn resume(session: &mut Session, account: &AccountId, address: &str) -> Result<(), Failure> {
    let statement = session.prepared(RESUME).await?;
    session.client.execute(&statement, &[&account.as_str(), &who::operator(address)]).await?;
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
