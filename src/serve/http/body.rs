//! What a request brings along: JSON, within a size and a time.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{Error, FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::answer::Problem;

/// From a request's head to the end of its body, which holds 64 KiB at the most.
const LIMIT: Duration = Duration::from_secs(5);

/// As an argument of a handler, after all that may refuse the request without it.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = web::Json::<T>::from_request(request, payload);
        Box::pin(async move {
            match timeout(LIMIT, read).await {
                Ok(read) => read.map(|web::Json(body)| Self(body)),
                Err(_) => {
                    let detail = format!("the request was not there within {} s", LIMIT.as_secs());
                    Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail).into())
                }
            }
        })
    }
}
