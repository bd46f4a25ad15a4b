//! How a request is refused: `application/problem+json` (RFC 9457), with a sentence for whoever sent it.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError, web};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

use crate::serve::scheduler::{NotStarted, UnknownAccount};

/// From a request's head to its answer's. The database is given up on sooner by who waits for a page than by a run.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Why a request was not done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong, and what to do.
    detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        Self { title, status: status.as_u16(), detail: detail.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self.status_code() {
            StatusCode::UNAUTHORIZED => drop(response.insert_header(("www-authenticate", "Bearer"))),
            StatusCode::TOO_MANY_REQUESTS => drop(response.insert_header(("retry-after", "60"))),
            StatusCode::SERVICE_UNAVAILABLE => drop(response.insert_header(("retry-after", "5"))),
            _ => {}
        }
        let body = serde_json::to_string(self).unwrap_or_default();
        response.content_type("application/problem+json").body(body)
    }
}

impl From<UnknownAccount> for Problem {
    fn from(unknown: UnknownAccount) -> Self {
        Self::new(StatusCode::NOT_FOUND, unknown.to_string())
    }
}

impl From<NotStarted> for Problem {
    fn from(cause: NotStarted) -> Self {
        let status = match cause {
            NotStarted::Unknown(_) => StatusCode::NOT_FOUND,
            NotStarted::Running(_) | NotStarted::Paused(_) => StatusCode::CONFLICT,
            NotStarted::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, cause.to_string())
    }
}

impl From<actors::ports::StoreError> for Problem {
    fn from(error: actors::ports::StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl From<tokio::task::JoinError> for Problem {
    fn from(_: tokio::task::JoinError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "it failed in the middle: the log says why")
    }
}

impl From<actix::MailboxError> for Problem {
    fn from(_: actix::MailboxError) -> Self {
        Self::from(NotStarted::Stopping)
    }
}

/// Of a query or a body that is not what is described.
pub(super) fn bad_request<E: ResponseError + 'static>(error: &E) -> Error {
    let status = match error.status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    Problem::new(status, format!("{error}; /api/openapi.json says what is understood")).into()
}

/// What is not there, or is there for another method.
pub(super) async fn not_found(request: HttpRequest, document: web::Data<OpenApi>) -> HttpResponse {
    let (method, path) = (request.method(), request.path());
    if let Some(allowed) = allowed(&document, path) {
        let detail = format!("{path} answers {allowed}, and not {method}; see /api/openapi.json");
        let mut refusal = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).error_response();
        refusal.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allowed));
        return refusal;
    }
    let detail = format!("there is nothing at {method} {path}; see /api/openapi.json");
    Problem::new(StatusCode::NOT_FOUND, detail).error_response()
}

/// How the path can be asked for by the description: each has one method.
fn allowed(document: &OpenApi, path: &str) -> Option<&'static str> {
    let fits = |template: &str| {
        template.split('/').count() == path.split('/').count()
            && template
                .split('/')
                .zip(path.split('/'))
                .all(|(part, given)| part == given || part.starts_with('{'))
    };
    let (_, item) = document.paths.paths.iter().find(|(template, _)| fits(template))?;
    Some(if item.post.is_some() { "POST" } else { "GET" })
}

/// What the work yields, or that it takes too long: then it is dropped.
pub(super) async fn in_time<T, E: Into<Problem>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Problem> {
    timeout(ANSWER_LIMIT, work).await.map_or_else(|_| Err(too_late()), |outcome| outcome.map_err(E::into))
}

fn too_late() -> Problem {
    let detail = format!("there was no answer within {} s", ANSWER_LIMIT.as_secs());
    Problem::new(StatusCode::GATEWAY_TIMEOUT, detail)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[test]
    fn what_is_not_answered_within_ten_seconds_is_given_up_on() {
        actors::testing::in_virtual_time(async {
            let problem = in_time(pending::<Result<(), NotStarted>>()).await.expect_err("it never comes");
            assert_eq!(problem.status_code(), StatusCode::GATEWAY_TIMEOUT);
            let problem = in_time(async { Err::<(), _>(NotStarted::Stopping) }).await.expect_err("an error");
            assert_eq!(problem.status_code(), StatusCode::SERVICE_UNAVAILABLE);
        });
    }
}
