//! `/api/runs`: what was run, from the database.

use actix_web::{get, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::answer::{Problem, in_time};
use super::page::{Page, PageQuery, from_microseconds, microseconds, no_such_page, time};
use crate::store::RunRow;

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RunsQuery {
    /// Of this account alone.
    account: Option<String>,
}

/// A run. What is null is not known before it has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Run {
    id: String,
    account: String,
    /// `running`, `complete`, `partial`, `failed` or `interrupted`.
    status: String,
    /// `sync`, or `replay` of dead letters.
    kind: String,
    resumed: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// Campaigns stored so far.
    stored: i64,
    /// Campaigns given up on so far.
    dead_lettered: i64,
    listed: Option<i64>,
    distinct: Option<i64>,
    reported_total: Option<i64>,
    skipped: Option<i64>,
    /// Requests sent.
    requests: Option<i64>,
    /// 429s received.
    throttled: Option<i64>,
    duration_seconds: Option<f64>,
}

impl From<RunRow> for Run {
    fn from(row: RunRow) -> Self {
        Self {
            id: row.id.to_string(),
            account: row.account,
            status: row.status,
            kind: row.kind,
            resumed: row.resumed,
            started_at: time(row.started_at),
            finished_at: row.finished_at.and_then(time),
            stored: row.stored,
            dead_lettered: row.dead_lettered,
            listed: row.listed,
            distinct: row.distinct_listed,
            reported_total: row.reported_total,
            skipped: row.skipped,
            requests: row.requests,
            throttled: row.throttled,
            duration_seconds: row.duration_seconds,
        }
    }
}

/// Runs and replays, the newest first.
#[utoipa::path(params(RunsQuery, PageQuery), responses(
    (status = OK, description = "A page of them.", body = Page<Run>),
    (status = BAD_REQUEST, description = "No such page.", body = Problem, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, description = "The database is away.", body = Problem, content_type = "application/problem+json"),
    (status = GATEWAY_TIMEOUT, description = "It takes too long.", body = Problem, content_type = "application/problem+json"),
))]
#[get("/api/runs")]
pub(super) async fn list(
    api: web::Data<Api>,
    query: web::Query<RunsQuery>,
    page: web::Query<PageQuery>,
) -> Result<web::Json<Page<Run>>, Problem> {
    let limit = page.limit()?;
    let after: Option<(i64, String)> = page.after()?;
    let after = match after {
        Some((started_at, id)) => {
            Some((from_microseconds(started_at), id.parse().map_err(|_| no_such_page())?))
        }
        None => None,
    };
    let rows = in_time(api.store.runs_after(query.account.as_deref(), after, limit + 1)).await?;
    let position = |row: &RunRow| (microseconds(row.started_at), row.id.to_string());
    Ok(web::Json(Page::new(rows, limit, position, Run::from)))
}
