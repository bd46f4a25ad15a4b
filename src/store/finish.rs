//! How a run ends: one transaction writes its report, and marks what is gone from the platform.

use actors::model::Run;
use actors::ports::StoreError;
use actors::report::AccountReport;
use tracing::info;

use super::ownership::{self, fence_one};
use super::session::Session;
use super::{Failure, commit, count, storable};

/// `stored` and `dead_lettered` stay as the committing transactions have counted them. The end is recorded once: `before` is
/// the row as it was before the statement.
const FINISH_RUN: &str = "\
WITH before AS (
    SELECT status FROM sync_runs WHERE id = $1
), ended AS (
    UPDATE sync_runs SET
        status = $2, finished_at = now(), listed = $3, distinct_listed = $4, reported_total = $5, skipped = $6,
        requests = $7, retried = $8, throttled = $9, unauthorized = $10, timed_out = $11,
        duration_seconds = $12, lower_bound_seconds = $13, report = $14::text::jsonb, listing_proven = $15
    WHERE id = $1
    RETURNING id, account_id, kind, status, listed, distinct_listed, stored, skipped, dead_lettered, batches, requests,
              throttled
), audited AS (
    INSERT INTO audit_log (what, account_id, run_id, details)
    SELECT 'run_ended', account_id, id,
           to_jsonb(ended) - '{id,account_id}'::text[] || jsonb_build_object('removed', $16::bigint)
    FROM ended WHERE EXISTS (SELECT FROM before WHERE status = 'running')
)
SELECT FROM ended";

/// What the run listed it has stored, whichever of its processes that was, or given up on. An entry that had no id of
/// its own, and stands among the dead letters under one made for it, can be any campaign: then nothing is marked.
const MARK_REMOVED: &str = "\
UPDATE campaigns c SET removed_at = now()
WHERE account_id = $1 AND run_id <> $2 AND removed_at IS NULL
  AND NOT EXISTS (SELECT FROM dead_letters d
                  WHERE d.account_id = $1 AND d.run_id = $2 AND d.campaign_id = c.id)
  AND NOT EXISTS (SELECT FROM dead_letters
                  WHERE account_id = $1 AND run_id = $2 AND error_class = 'malformed'
                    AND campaign_id LIKE 'malformed-%')";

/// Repeating it changes nothing but the time at which the run finished.
pub(super) async fn finish(session: &mut Session, run: &Run, report: &AccountReport) -> Result<(), Failure> {
    let mut json = serde_json::to_value(report).expect("a report has string keys only");
    storable::json(&mut json);
    let (campaigns, requests) = (&report.campaigns, &report.requests);
    let in_line = session.prepared(ownership::IN_LINE).await?;
    let (finish, mark) = (session.prepared(FINISH_RUN).await?, session.prepared(MARK_REMOVED).await?);
    let transaction = session.client.transaction().await?;
    fence_one(&transaction, &in_line, run).await?;
    let mut removed = 0;
    if report.listing_proven {
        removed = transaction.execute(&mark, &[&run.account.as_str(), &run.id]).await?;
    }
    let updated = transaction
        .query_opt(
            &finish,
            &[
                &run.id,
                &report.status.as_str(),
                &count(campaigns.listed),
                &count(campaigns.distinct),
                &campaigns.reported_total.map(count),
                &count(campaigns.skipped),
                &count(requests.total),
                &count(requests.retried),
                &count(requests.throttled),
                &count(requests.unauthorized),
                &count(requests.timed_out),
                &report.duration.as_secs_f64(),
                &report.lower_bound.as_secs_f64(),
                &json.to_string(),
                &report.listing_proven,
                &count(removed),
            ],
        )
        .await?;
    if updated.is_none() {
        return Err(Failure::Store(StoreError::Broken(commit::gone(run))));
    }
    transaction.commit().await?;
    if removed > 0 {
        info!(campaigns = removed, "the platform does not list them any more: they are marked as removed");
    }
    Ok(())
}
