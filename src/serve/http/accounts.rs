//! `/api/accounts`: how each account is doing, as the scheduler has it, and for operators what starts it.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use actors::model::AccountId;
use actors::progress::Progress;
use jiff::{SignedDuration, Timestamp, Unit};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::Api;
use super::answer::{Problem, in_time};
use super::operator::{NotAnOperator, Operator};
use super::page::{Page, PageQuery};
use crate::serve::scheduler::{AccountStatus, Because, Ended, Purpose, RunNow, State, UnknownAccount};

/// An account as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Account {
    id: String,
    /// `running`, `waiting` or `paused`.
    state: &'static str,
    /// Of a run that is at work: `sync`, or `replay` of dead letters.
    purpose: Option<&'static str>,
    /// When the run that is at work was started.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// When the next run is started.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Why it is started: `schedule`, `retry`, `refused` credentials, `quota`, `interrupted` or `replay`.
    because: Option<&'static str>,
    /// An interval or a cron expression.
    schedule: String,
    /// Nothing is begun until it is resumed.
    paused: bool,
    /// Since when it is paused.
    #[schema(value_type = Option<String>, format = DateTime)]
    paused_since: Option<Timestamp>,
    /// It is not in the configuration any more; what runs is left to finish.
    leaving: bool,
    /// The next time of the schedule.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_time: Option<Timestamp>,
    /// Set while runs fail.
    failing: Option<Failing>,
    /// How far the run is that is at work.
    progress: Option<RunProgress>,
    /// The run that ended last.
    last: Option<LastRun>,
    /// How many dead letters there are of each class, as they were counted last: after a run, and once a minute.
    dead_letters: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct RunProgress {
    /// Campaigns stored, by this process and by those that the run was taken over from.
    stored: u64,
    /// What the platform says that there are; null until it has.
    reported_total: Option<u64>,
    /// Campaigns given up on.
    dead_lettered: u64,
    /// Requests sent.
    requests: u64,
    /// The rate limit that requests wait for; null where none does.
    waits_for: Option<String>,
    /// When the next one may be sent; null also where an answer has to come first.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_request_at: Option<Timestamp>,
    /// Whether the platform fails so much that nothing is sent but a probe now and then.
    breaker_open: bool,
    /// Why nothing can be stored; null where it can.
    database_away: Option<String>,
}

impl From<Progress> for RunProgress {
    fn from(now: Progress) -> Self {
        let quota = now.quota;
        Self {
            stored: now.stored_before + now.stored,
            reported_total: now.reported_total,
            dead_lettered: now.dead_lettered,
            requests: now.requests.total,
            next_request_at: quota.as_ref().and_then(|quota| quota.until).and_then(time_of_day),
            waits_for: quota.map(|quota| quota.because),
            breaker_open: now.breaker_open,
            database_away: now.database_away,
        }
    }
}

/// To the second, so that it stays the same for as long as it is.
pub(super) fn time_of_day(at: Instant) -> Option<Timestamp> {
    let wait = SignedDuration::try_from(at.saturating_duration_since(Instant::now())).ok()?;
    Timestamp::now().checked_add(wait).ok()?.round(Unit::Second).ok()
}

#[derive(Debug, Serialize, ToSchema)]
struct Failing {
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// In a row.
    failures: u32,
    /// Why the last one failed.
    cause: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct LastRun {
    run_id: Option<String>,
    purpose: &'static str,
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    ended_at: Timestamp,
    /// Campaigns.
    distinct: u64,
    stored: u64,
    skipped: u64,
    dead_lettered: u64,
    /// Requests sent.
    requests: u64,
    /// 429s received.
    throttled: u64,
    /// What a person should know.
    problems: Vec<String>,
}

impl Account {
    fn new(api: &Api, id: &AccountId, status: &AccountStatus) -> Self {
        let (mut since, mut until, mut because, mut purpose) = (None, None, None, None);
        let state = match &status.state {
            State::Running { since: start, purpose: what } => {
                (since, purpose) = (Some(*start), Some(purpose_name(what)));
                "running"
            }
            State::Waiting { until: when, because: why } => {
                (until, because) = (Some(*when), Some(because_name(*why)));
                "waiting"
            }
            State::Paused => "paused",
        };
        Self {
            id: id.to_string(),
            state,
            purpose,
            since,
            until,
            because,
            schedule: status.schedule.to_string(),
            paused: status.paused_since.is_some(),
            paused_since: status.paused_since,
            leaving: status.leaving,
            next_time: status.next_time,
            failing: status.failing.as_ref().map(|failing| Failing {
                since: failing.since,
                failures: failing.failures,
                cause: failing.cause.clone(),
            }),
            progress: api.live.progress(id).map(RunProgress::from),
            last: status.last.as_deref().map(last_run),
            dead_letters: api.letters.of(id).into_iter().map(|(class, n)| (class.as_str(), n)).collect(),
        }
    }
}

fn last_run(ended: &Ended) -> LastRun {
    let Ended { started_at, ended_at, purpose, report } = ended;
    LastRun {
        run_id: report.run_id.map(|id| id.to_string()),
        purpose: purpose_name(purpose),
        status: report.status.as_str(),
        started_at: *started_at,
        ended_at: *ended_at,
        distinct: report.campaigns.distinct,
        stored: report.campaigns.stored,
        skipped: report.campaigns.skipped,
        dead_lettered: report.campaigns.dead_lettered,
        requests: report.requests.total,
        throttled: report.requests.throttled,
        problems: report.problems.iter().map(|problem| problem.message.clone()).collect(),
    }
}

fn purpose_name(purpose: &Purpose) -> &'static str {
    match purpose {
        Purpose::Sync => "sync",
        Purpose::Replay(_) => "replay",
    }
}

fn because_name(because: Because) -> &'static str {
    match because {
        Because::Schedule => "schedule",
        Because::Retry(_) => "retry",
        Because::Refused => "refused",
        Because::Quota => "quota",
        Because::Interrupted => "interrupted",
        Because::Replay => "replay",
    }
}

pub(super) fn find(api: &Api, id: &str) -> Result<Account, Problem> {
    let id = AccountId::from(id);
    match api.accounts.borrow().get(&id) {
        Some(status) => Ok(Account::new(api, &id, status)),
        None => Err(UnknownAccount(id).into()),
    }
}

/// Only of such is anything written.
pub(super) fn configured(api: &Api, id: &str) -> Result<AccountId, UnknownAccount> {
    let account = AccountId::from(id);
    match api.accounts.borrow().get(&account).filter(|status| !status.leaving) {
        Some(_) => Ok(account),
        None => Err(UnknownAccount(account)),
    }
}

/// All accounts, in the order of their ids.
#[utoipa::path(params(PageQuery), responses(
    (status = OK, description = "A page of them.", body = Page<Account>),
    (status = BAD_REQUEST, description = "No such page.", body = Problem, content_type = "application/problem+json"),
))]
#[get("/api/accounts")]
pub(super) async fn list(
    api: web::Data<Api>,
    page: web::Query<PageQuery>,
) -> Result<web::Json<Page<Account>>, Problem> {
    let limit = page.limit()?;
    let after: Option<String> = page.after()?;
    let snapshot = api.accounts.borrow().clone();
    let after = after.map(AccountId::from);
    let rows = snapshot.iter().filter(|(id, _)| after.as_ref().is_none_or(|after| *id > after));
    let rows: Vec<_> = rows.take(limit as usize + 1).collect();
    Ok(web::Json(Page::new(
        rows,
        limit,
        |(id, _)| id.to_string(),
        |(id, status)| Account::new(&api, id, status),
    )))
}

/// One account.
#[utoipa::path(responses(
    (status = OK, description = "As it is now.", body = Account),
    (status = NOT_FOUND, description = "No such account.", body = Problem, content_type = "application/problem+json"),
))]
#[get("/api/accounts/{id}")]
pub(super) async fn one(api: web::Data<Api>, id: web::Path<String>) -> Result<web::Json<Account>, Problem> {
    find(&api, &id).map(web::Json)
}

/// Starts a run now.
#[utoipa::path(security(("operator" = [])), responses(
    (status = ACCEPTED, description = "It is started.", body = Account),
    NotAnOperator,
    (status = NOT_FOUND, description = "No such account.", body = Problem, content_type = "application/problem+json"),
    (status = CONFLICT, description = "It runs, or is paused.", body = Problem, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, description = "The request could not be recorded.", body = Problem, content_type = "application/problem+json"),
    (status = GATEWAY_TIMEOUT, description = "It takes too long.", body = Problem, content_type = "application/problem+json"),
))]
#[post("/api/accounts/{id}/run")]
pub(super) async fn run(
    operator: Operator,
    api: web::Data<Api>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let account = configured(&api, &id)?;
    in_time(api.store.audit_request(&account, None, &operator.address)).await?;
    in_time(api.scheduler.send(RunNow(account))).await??;
    Ok(HttpResponse::build(StatusCode::ACCEPTED).json(find(&api, &id)?))
}
