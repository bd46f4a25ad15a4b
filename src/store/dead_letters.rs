//! Dead letters as commands and replays see them: read by filter, deleted exactly as they were read, tried again.

use std::borrow::Cow;
use std::time::SystemTime;

use actors::model::{AccountId, CampaignId, LetterFilter, NAMELESS, Replay, Run};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Transaction};
use uuid::Uuid;

use super::ownership::{self, fence_one};
use super::session::Session;
use super::{Failure, audit, storable};

/// The letters `d` of the campaigns `$2` and the classes `$3`; none of either stands for all.
macro_rules! meant {
    () => {
        "(cardinality($2::text[]) = 0 OR d.campaign_id = ANY ($2)) \
         AND (cardinality($3::text[]) = 0 OR d.error_class = ANY ($3))"
    };
}
/// The letters `d` that the process `$5` of the run `$4` has not written. What it has met with, it has stored or buried.
macro_rules! not_met {
    () => {
        "(d.run_id, d.run_epoch) IS DISTINCT FROM ($4, $5)"
    };
}

const LIST: &str = concat!(
    "SELECT account_id, campaign_id, run_id, error_class, message, attempts, payload, first_failed_at, \
            last_failed_at \
     FROM dead_letters d WHERE ($1::text IS NULL OR account_id = $1) AND ",
    meant!(),
    " AND ($5::timestamptz IS NULL OR last_failed_at < $5 \
           OR last_failed_at = $5 AND (account_id, campaign_id) > ($6, $7)) \
     ORDER BY last_failed_at DESC, account_id, campaign_id LIMIT $4"
);

/// The time of the last failure tells a letter from the one that has taken its place since. A row of the audit log for each account,
/// so that it is found by it, with the first of the campaigns by name.
const DISCARD: &str = "\
WITH gone AS (
    DELETE FROM dead_letters d
    USING unnest($1::text[], $2::text[], $3::timestamptz[]) AS shown (account_id, campaign_id, last_failed_at)
    WHERE d.account_id = shown.account_id AND d.campaign_id = shown.campaign_id
      AND d.last_failed_at = shown.last_failed_at
    RETURNING d.account_id, d.campaign_id
), audited AS (
    INSERT INTO audit_log (what, account_id, details)
    SELECT 'letters_discarded', account_id,
           jsonb_build_object('letters', count(*), 'filter', $4::text::jsonb,
                              'campaigns', (array_agg(campaign_id ORDER BY campaign_id))[:$5])
    FROM gone GROUP BY account_id
)
SELECT count(*) FROM gone";

const COUNT: &str = concat!("SELECT count(*) FROM dead_letters d WHERE account_id = $1 AND ", meant!());

/// Of the ids `$6`: what this replay has stored or buried, and what it is not to try. Each is looked up by itself, as in
/// `settled.rs`.
const SETTLED: &str = concat!(
    "SELECT asked.id, c.run_id IS NOT DISTINCT FROM $4 OR d.met IS TRUE FROM unnest($6::text[]) AS asked (id) \
     LEFT JOIN LATERAL (SELECT run_id FROM campaigns WHERE account_id = $1 AND id = asked.id OFFSET 0) c ON true \
     LEFT JOIN LATERAL (SELECT NOT ",
    not_met!(),
    " AS met, ",
    meant!(),
    " AS meant FROM dead_letters d WHERE d.account_id = $1 AND d.campaign_id = asked.id OFFSET 0) d ON true \
     WHERE d.met IS NOT FALSE OR NOT d.meant"
);

const FORGET_NAMELESS: &str = concat!(
    "WITH gone AS ( \
        DELETE FROM dead_letters d WHERE account_id = $1 AND error_class = 'malformed' AND campaign_id ~ $6 AND ",
    not_met!(),
    " AND ",
    meant!(),
    " RETURNING d.campaign_id \
     ), audited AS ( \
        INSERT INTO audit_log (what, account_id, run_id, details) \
        SELECT 'letters_forgotten', $1, $4, jsonb_build_object('letters', count(*)) FROM gone HAVING count(*) > 0 \
     ) SELECT count(*) FROM gone"
);

const UNTRIED: &str = concat!(
    "SELECT campaign_id, count(*) OVER () FROM dead_letters d WHERE account_id = $1 AND ",
    not_met!(),
    " AND ",
    meant!(),
    " ORDER BY campaign_id LIMIT $6"
);

/// Untried letters that are named: a person looks the others up.
const MOST_NAMED: i64 = 5;

/// Campaigns of an account that a row of the audit log names of those discarded: it is kept for long, and counts the others.
const MOST_RECORDED: i32 = 20;

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

/// Where a letter stands in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterPosition {
    /// When it was given up on last.
    pub last_failed_at: SystemTime,
    /// Whose campaign it is.
    pub account: String,
    /// As the table has it.
    pub campaign: String,
}

pub(super) async fn list(
    session: &mut Session,
    account: Option<&str>,
    filter: &LetterFilter,
    after: Option<&LetterPosition>,
    limit: u32,
) -> Result<Vec<DeadLetterRow>, Failure> {
    let statement = session.prepared(LIST).await?;
    let (campaigns, classes) = columns(filter);
    let (failed_at, in_account, campaign) = (
        after.map(|after| after.last_failed_at),
        after.map(|after| after.account.as_str()),
        after.map(|after| after.campaign.as_str()),
    );
    let parameters: [&(dyn ToSql + Sync); 7] =
        [&account, &campaigns, &classes, &i64::from(limit), &failed_at, &in_account, &campaign];
    let rows = session.client.query(&statement, &parameters).await?;
    Ok(rows.iter().map(letter).collect())
}

pub(super) async fn discard(
    session: &mut Session,
    letters: &[DeadLetterRow],
    account: Option<&str>,
    filter: &LetterFilter,
) -> Result<u64, Failure> {
    let statement = session.prepared(DISCARD).await?;
    let accounts: Vec<_> = letters.iter().map(|letter| &letter.account).collect();
    let campaigns: Vec<_> = letters.iter().map(|letter| &letter.campaign).collect();
    let failed_at: Vec<_> = letters.iter().map(|letter| letter.last_failed_at).collect();
    let filter = audit::filter(account, filter).to_string();
    let parameters: [&(dyn ToSql + Sync); 5] = [&accounts, &campaigns, &failed_at, &filter, &MOST_RECORDED];
    let row = session.client.query_one(&statement, &parameters).await?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}

/// How many there are.
pub(super) async fn count(
    transaction: &Transaction<'_>,
    account: &AccountId,
    filter: &LetterFilter,
) -> Result<u64, tokio_postgres::Error> {
    let (campaigns, classes) = columns(filter);
    let row = transaction.query_one(COUNT, &[&account.as_str(), &campaigns, &classes]).await?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}

/// Rows of an id that needs nothing more, and whether that is because this process has settled it.
pub(super) async fn settled(
    session: &mut Session,
    run: &Run,
    replay: &Replay,
    ids: &[&Cow<'_, str>],
) -> Result<Vec<Row>, Failure> {
    let statement = session.prepared(SETTLED).await?;
    let (campaigns, classes) = columns(&replay.filter);
    let parameters: [&(dyn ToSql + Sync); 6] =
        [&run.account.as_str(), &campaigns, &classes, &run.id, &run.epoch, &ids];
    Ok(session.client.query(&statement, &parameters).await?)
}

/// Removes the letters of entries without an id that this process has not met with; how many.
pub(super) async fn forget_nameless(session: &mut Session, run: &Run) -> Result<u64, Failure> {
    let (in_line, forget) =
        (session.prepared(ownership::IN_LINE).await?, session.prepared(FORGET_NAMELESS).await?);
    let all = LetterFilter::default();
    let (campaigns, classes) = columns(run.replay.as_ref().map_or(&all, |replay| &replay.filter));
    let nameless = format!("^{NAMELESS}[0-9a-f-]{{36}}$");
    let parameters: [&(dyn ToSql + Sync); 6] =
        [&run.account.as_str(), &campaigns, &classes, &run.id, &run.epoch, &nameless];
    let transaction = session.client.transaction().await?;
    fence_one(&transaction, &in_line, run).await?;
    let forgotten = transaction.query_one(&forget, &parameters).await?.get::<_, i64>(0);
    transaction.commit().await?;
    Ok(forgotten.unsigned_abs())
}

/// How many letters a replay was to try and has not met with, and a few of them.
pub(super) async fn untried(session: &mut Session, run: &Run) -> Result<(u64, Vec<CampaignId>), Failure> {
    let Some(replay) = &run.replay else { return Ok((0, vec![])) };
    let statement = session.prepared(UNTRIED).await?;
    let (campaigns, classes) = columns(&replay.filter);
    let parameters: [&(dyn ToSql + Sync); 6] =
        [&run.account.as_str(), &campaigns, &classes, &run.id, &run.epoch, &MOST_NAMED];
    let rows = session.client.query(&statement, &parameters).await?;
    let count = rows.first().map_or(0, |row| row.get::<_, i64>(1).unsigned_abs());
    Ok((count, rows.iter().map(|row| CampaignId::from(row.get::<_, &str>(0))).collect()))
}

/// As `meant!` takes it.
fn columns(filter: &LetterFilter) -> (Vec<Cow<'_, str>>, Vec<&'static str>) {
    let campaigns = filter.campaigns.iter().map(|id| storable::id(id.as_str())).collect();
    (campaigns, filter.classes.iter().map(|class| class.as_str()).collect())
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
