//! `/api/dead-letters`: what was given up on, from the database, and for operators a replay of it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use actors::model::{CampaignId, FailureClass, LetterFilter};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::Api;
use super::accounts::{self, Account, configured};
use super::answer::{Problem, in_time};
use super::body::Body;
use super::operator::{NotAnOperator, Operator};
use super::page::{Page, PageQuery, from_microseconds, microseconds, time};
use crate::serve::scheduler::ReplayNow;
use crate::store::{DeadLetterRow, LetterPosition};

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LettersQuery {
    /// Of this account alone.
    account: Option<String>,
    /// Of this class alone.
    #[param(value_type = Option<Class>)]
    class: Option<String>,
}

/// A campaign that was given up on. What the platform sent for it, `campaign-sync dead-letters list` shows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetter {
    account: String,
    campaign: String,
    /// The run that gave up on it last.
    run_id: String,
    #[schema(value_type = Class)]
    class: String,
    /// What happened, for a person.
    message: String,
    attempts: i64,
    #[schema(value_type = Option<String>, format = DateTime)]
    first_failed_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_failed_at: Option<Timestamp>,
}

impl From<DeadLetterRow> for DeadLetter {
    fn from(row: DeadLetterRow) -> Self {
        Self {
            account: row.account,
            campaign: row.campaign,
            run_id: row.run.to_string(),
            class: row.class,
            message: row.message,
            attempts: row.attempts,
            first_failed_at: time(row.first_failed_at),
            last_failed_at: time(row.last_failed_at),
        }
    }
}

/// What to replay: the letters that fit both lists. An empty list, or none, fits all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    account: String,
    #[serde(default)]
    campaigns: Vec<String>,
    #[serde(default)]
    #[schema(value_type = Vec<Class>)]
    classes: Vec<String>,
}

/// The name of a class of failure, in the description.
struct Class;

impl PartialSchema for Class {
    fn schema() -> RefOr<Schema> {
        let names = FailureClass::ALL.map(FailureClass::as_str);
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
    }
}

impl ToSchema for Class {}

/// Dead letters, the newest failure first.
#[utoipa::path(params(LettersQuery, PageQuery), responses(
    (status = OK, description = "A page of them.", body = Page<DeadLetter>),
    (status = BAD_REQUEST, description = "No such page.", body = Problem, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, description = "The database is away.", body = Problem, content_type = "application/problem+json"),
    (status = GATEWAY_TIMEOUT, description = "It takes too long.", body = Problem, content_type = "application/problem+json"),
))]
#[get("/api/dead-letters")]
pub(super) async fn list(
    api: web::Data<Api>,
    query: web::Query<LettersQuery>,
    page: web::Query<PageQuery>,
) -> Result<web::Json<Page<DeadLetter>>, Problem> {
    let limit = page.limit()?;
    let after: Option<(i64, String, String)> = page.after()?;
    let after = after.map(|(failed_at, account, campaign)| LetterPosition {
        last_failed_at: from_microseconds(failed_at),
        account,
        campaign,
    });
    let classes = query.class.iter().map(|class| failure_class(class)).collect::<Result<_, _>>()?;
    let filter = LetterFilter { campaigns: vec![], classes };
    let rows =
        in_time(api.store.dead_letters_after(query.account.as_deref(), &filter, after.as_ref(), limit + 1))
            .await?;
    let position =
        |row: &DeadLetterRow| (microseconds(row.last_failed_at), row.account.clone(), row.campaign.clone());
    Ok(web::Json(Page::new(rows, limit, position, DeadLetter::from)))
}

/// Starts a replay now.
#[utoipa::path(request_body = Replay, security(("operator" = [])), responses(
    (status = ACCEPTED, description = "It is started.", body = Account),
    (status = BAD_REQUEST, description = "Not understood.", body = Problem, content_type = "application/problem+json"),
    NotAnOperator,
    (status = NOT_FOUND, description = "No such account.", body = Problem, content_type = "application/problem+json"),
    (status = CONFLICT, description = "It runs, or is paused.", body = Problem, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, description = "The request could not be recorded.", body = Problem, content_type = "application/problem+json"),
    (status = GATEWAY_TIMEOUT, description = "It takes too long.", body = Problem, content_type = "application/problem+json"),
    (
        status = REQUEST_TIMEOUT,
        description = "It was not there within 5 s.",
        body = Problem,
        content_type = "application/problem+json"
    ),
    (
        status = PAYLOAD_TOO_LARGE,
        description = "More than 64 KiB.",
        body = Problem,
        content_type = "application/problem+json"
    ),
))]
#[post("/api/dead-letters/replay")]
pub(super) async fn replay(
    operator: Operator,
    api: web::Data<Api>,
    Body(letters): Body<Replay>,
) -> Result<HttpResponse, Problem> {
    let Replay { account, campaigns, classes } = letters;
    let classes = classes.iter().map(|class| failure_class(class)).collect::<Result<_, _>>()?;
    let filter = LetterFilter { campaigns: campaigns.into_iter().map(CampaignId::from).collect(), classes };
    let id = configured(&api, &account)?;
    in_time(api.store.audit_request(&id, Some(&filter), &operator.address)).await?;
    in_time(api.scheduler.send(ReplayNow(id, filter))).await??;
    Ok(HttpResponse::Accepted().json(accounts::find(&api, &account)?))
}

fn failure_class(name: &str) -> Result<FailureClass, Problem> {
    FailureClass::named(name).ok_or_else(|| {
        let all = FailureClass::ALL.map(FailureClass::as_str).join(", ");
        Problem::new(StatusCode::BAD_REQUEST, format!("a class is one of {all}"))
    })
}
