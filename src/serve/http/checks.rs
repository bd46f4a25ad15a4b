//! `/healthz`: the process answers. `/readyz`: what it needs answers, too, or why not.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use futures_util::future::{LocalBoxFuture, join_all};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Api;

/// Of one check. What takes longer does not answer; who asks for `/readyz` waits no longer either. A check that knows the
/// cause gives up by itself before that.
const CHECK_LIMIT: Duration = Duration::from_secs(3);

/// One thing that has to be well.
#[derive(Clone)]
pub struct Check {
    /// What it is called.
    pub name: &'static str,
    /// An error says what is wrong, without secrets.
    pub run: Arc<dyn Fn() -> LocalBoxFuture<'static, Result<(), String>> + Send + Sync>,
}

/// Whether everything is well.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    ready: bool,
    checks: Vec<Checked>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Checked {
    name: &'static str,
    ok: bool,
    /// What is wrong; null where nothing is.
    reason: Option<String>,
}

/// Whether the process lives.
#[utoipa::path(responses((status = OK, description = "It does.", body = String, content_type = "text/plain")))]
#[get("/healthz")]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether accounts can be synced: the database, its schema and the actors answer.
#[utoipa::path(responses(
    (status = OK, description = "They do.", body = Readiness),
    (status = SERVICE_UNAVAILABLE, description = "Something does not.", body = Readiness),
))]
#[get("/readyz")]
pub(super) async fn readyz(api: web::Data<Api>) -> HttpResponse {
    let checks = join_all(api.checks.iter().map(checked)).await;
    let ready = checks.iter().all(|check| check.ok);
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(Readiness { ready, checks })
}

async fn checked(check: &Check) -> Checked {
    let outcome = timeout(CHECK_LIMIT, (check.run)()).await;
    let outcome =
        outcome.unwrap_or_else(|_| Err(format!("it did not answer within {} s", CHECK_LIMIT.as_secs())));
    Checked { name: check.name, ok: outcome.is_ok(), reason: outcome.err() }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_check_that_does_not_answer_is_waited_for_no_longer_than_three_seconds() {
        actors::testing::in_virtual_time(async {
            let begun = tokio::time::Instant::now();
            let slow = checked(&Check { name: "slow", run: Arc::new(|| pending().boxed_local()) }).await;
            assert_eq!((begun.elapsed(), slow.ok), (CHECK_LIMIT, false));
            assert_eq!(slow.reason.as_deref(), Some("it did not answer within 3 s"));
            let well = checked(&Check { name: "well", run: Arc::new(|| ready(Ok(())).boxed_local()) }).await;
            assert_eq!((well.ok, well.reason), (true, None));
        });
    }
}
