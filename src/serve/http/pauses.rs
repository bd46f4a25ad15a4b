//! `/api/accounts/{id}/pause` and `/resume`: for operators. They are in the database before the scheduler hears of them, so
//! that a pause holds over a restart. One after the other, and to its end whether or not somebody waits for the answer: what
//! the scheduler does is what the database has.

use std::future::Future;

use actix_web::{post, web};
use jiff::Timestamp;

use super::Api;
use super::accounts::{self, Account, configured};
use super::answer::{Problem, in_time};
use super::operator::{NotAnOperator, Operator};
use super::page::time;
use crate::serve::scheduler::{Pause, Resume};

/// Begins nothing more until it is resumed, also after a restart; what runs is left to finish.
#[utoipa::path(security(("operator" = [])), responses(
    (status = OK, description = "It is paused.", body = Account),
    NotAnOperator,
    (status = NOT_FOUND, description = "No such account.", body = Problem, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, description = "It could not be recorded.", body = Problem, content_type = "application/problem+json"),
    (status = GATEWAY_TIMEOUT, description = "It takes too long, and may happen yet.", body = Problem, content_type = "application/problem+json"),
))]
#[post("/api/accounts/{id}/pause")]
pub(super) async fn pause(
    operator: Operator,
    api: web::Data<Api>,
    id: web::Path<String>,
) -> Result<web::Json<Account>, Problem> {
    let account = configured(&api, &id)?;
    let to = api.clone();
    settle(&api, async move {
        let since = to.store.pause(&account, &operator.address).await?;
        Ok(to.scheduler.send(Pause(account, time(since).unwrap_or_else(Timestamp::now))).await??)
    })
    .await?;
    accounts::find(&api, &id).map(web::Json)
}

/// Ends a pause. A time that has passed in the meantime is made up for at once.
#[utoipa::path(security(("operator" = [])), responses(
    (status = OK, description = "It is not paused.", body = Account),
    NotAnOperator,
    (status = NOT_FOUND, description = "No such account.", body = Problem, content_type = "application/problem+json"),
    (status = SERVICE_UNAVAILABLE, description = "It could not be recorded.", body = Problem, content_type = "application/problem+json"),
    (status = GATEWAY_TIMEOUT, description = "It takes too long, and may happen yet.", body = Problem, content_type = "application/problem+json"),
))]
#[post("/api/accounts/{id}/resume")]
pub(super) async fn resume(
    operator: Operator,
    api: web::Data<Api>,
    id: web::Path<String>,
) -> Result<web::Json<Account>, Problem> {
    let account = configured(&api, &id)?;
    let to = api.clone();
    settle(&api, async move {
        to.store.resume(&account, &operator.address).await?;
        Ok(to.scheduler.send(Resume(account)).await??)
    })
    .await?;
    accounts::find(&api, &id).map(web::Json)
}

/// Does it in its turn.
async fn settle(
    api: &Api,
    change: impl Future<Output = Result<(), Problem>> + 'static,
) -> Result<(), Problem> {
    let turn = api.pausing.clone();
    let change = actix_rt::spawn(async move {
        let _turn = turn.lock().await;
        change.await
    });
    in_time(change).await?
}
