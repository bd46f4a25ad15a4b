//! Dead letters as commands see them: read by filter, and deleted exactly as they were read.

use std::time::SystemTime;

use actors::model::LetterFilter;
use tokio_postgres::Row;
use uuid::Uuid;

use super::session::Session;
use super::{Failure, storable};

const LIST: &str = "\
SELECT account_id, campaign_id, run_id, error_class, message, attempts, payload, first_failed_at, last_failed_at
FROM dead_letters
WHERE ($1::text IS NULL OR account_id = $1)
  AND (cardinality($2::text[]) = 0 OR campaign_id = ANY ($2))
  AND (cardinality($3::text[]) = 0 OR error_class = ANY ($3))
ORDER BY last_failed_at DESC, account_id, campaign_id LIMIT $4";

/// The time of the last failure tells a letter from the one that has taken its place since.
const DISCARD: &str = "\
DELETE FROM dead_letters d
USING unnest($1::text[], $2::text[], $3::timestamptz[]) AS shown (account_id, campaign_id, last_failed_at)
WHERE d.account_id = shown.account_id AND d.campaign_id = shown.campaign_id
  AND d.last_failed_at = shown.last_failed_at";

/// A row of `dead_letters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// Whose campaign it is.
    pub account: String,
    /// As the platform calls it, but for what cannot stand in an index.
    pub campaign: String,
    /// The run that gave up on it last.
    pub run: Uuid,
    /// The name of its [`actors::model::FailureClass`].
    pub class: String,
    /// What happened, for a person.
    pub message: String,
    /// Requests that the last run made for it.
    pub attempts: i64,
    /// The JSON as received.
    pub payload: String,
    /// The first failure since it was last stored.
    pub first_failed_at: SystemTime,
    /// When it was given up on last.
    pub last_failed_at: SystemTime,
}

pub(super) async fn list(
    session: &mut Session,
    account: Option<&str>,
    filter: &LetterFilter,
    limit: u32,
) -> Result<Vec<DeadLetterRow>, Failure> {
    let statement = session.prepared(LIST).await?;
    let campaigns: Vec<_> = filter.campaigns.iter().map(|id| storable::id(id.as_str())).collect();
    let classes: Vec<_> = filter.classes.iter().map(|class| class.as_str()).collect();
    let rows = session.client.query(&statement, &[&account, &campaigns, &classes, &i64::from(limit)]).await?;
    Ok(rows.iter().map(letter).collect())
}

pub(super) async fn discard(session: &mut Session, letters: &[DeadLetterRow]) -> Result<u64, Failure> {
    let statement = session.prepared(DISCARD).await?;
    let accounts: Vec<_> = letters.iter().map(|letter| &letter.account).collect();
    let campaigns: Vec<_> = letters.iter().map(|letter| &letter.campaign).collect();
    let failed_at: Vec<_> = letters.iter().map(|letter| letter.last_failed_at).collect();
    Ok(session.client.execute(&statement, &[&accounts, &campaigns, &failed_at]).await?)
}

fn letter(row: &Row) -> DeadLetterRow {
    DeadLetterRow {
        account: row.get(0),
        campaign: row.get(1),
        run: row.get(2),
        class: row.get(3),
        message: row.get(4),
        attempts: row.get(5),
        payload: row.get(6),
        first_failed_at: row.get(7),
        last_failed_at: row.get(8),
    }
}
