//! `/api/accounts/{id}/pause` and `/resume`: for operators. What is answered is in the database, so that a pause holds over
//! a restart; what could not be written there has not happened.

use actix_web::{post, web};
use actors::model::AccountId;
use jiff::Timestamp;

use super::Api;
use super::accounts::{self, Account};
use super::answer::{Problem, in_time};
use super::operator::Operator;
use super::page::time;
use crate::serve::scheduler::{Pause, Resume, UnknownAccount};

/// Begins nothing more until it is resumed, also after a restart; what runs is left to finish.
#[utoipa::path(security(("operator" = [])), responses(
    (status = OK, description = "It is paused.", body = Account),
    (status = UNAUTHORIZED, description = "Not an operator.", body = Problem, content_type = "application/problem+json"),
    (status = FORBIDDEN, description = "No token is set.", body = Problem, content_type = "application/problem+json"),
    (status = NOT_FOUND, description = "No such account.", body = Problem, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, description = "It could not be recorded.", body = Problem, content_type = "application/problem+json"),
    (status = GATEWAY_TIMEOUT, description = "It takes too long.", body = Problem, content_type = "application/problem+json"),
))]
#[post("/api/accounts/{id}/pause")]
pub(super) async fn pause(
    _: Operator,
    api: web::Data<Api>,
    id: web::Path<String>,
) -> Result<web::Json<Account>, Problem> {
    let account = configured(&api, &id)?;
    let since = in_time(api.store.pause(&account)).await?;
    in_time(api.scheduler.send(Pause(account, time(since).unwrap_or_else(Timestamp::now)))).await??;
    accounts::find(&api, &id).map(web::Json)
}

/// Ends a pause. A time that has passed in the meantime is made up for at once.
#[utoipa::path(security(("operator" = [])), responses(
    (status = OK, description = "It is not paused.", body = Account),
    (status = UNAUTHORIZED, description = "Not an operator.", body = Problem, content_type = "application/problem+json"),
    (status = FORBIDDEN, description = "No token is set.", body = Problem, content_type = "application/problem+json"),
    (status = NOT_FOUND, description = "No such account.", body = Problem, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, description = "It could not be recorded.", body = Problem, content_type = "application/problem+json"),
    (status = GATEWAY_TIMEOUT, description = "It takes too long.", body = Problem, content_type = "application/problem+json"),
))]
#[post("/api/accounts/{id}/resume")]
pub(super) async fn resume(
    _: Operator,
    api: web::Data<Api>,
    id: web::Path<String>,
) -> Result<web::Json<Account>, Problem> {
    let account = configured(&api, &id)?;
    in_time(api.store.resume(&account)).await?;
    in_time(api.scheduler.send(Resume(account))).await??;
    accounts::find(&api, &id).map(web::Json)
}

/// Only of such is anything written.
fn configured(api: &Api, id: &str) -> Result<AccountId, UnknownAccount> {
    let account = AccountId::from(id);
    match api.accounts.borrow().get(&account).filter(|status| !status.leaving) {
        Some(_) => Ok(account),
        None => Err(UnknownAccount(account)),
    }
}
