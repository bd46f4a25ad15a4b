//! Lists in pages. A cursor is where the last page ended, so that what comes or goes in the meantime neither repeats nor
//! hides anything; to clients it is opaque.

use std::time::{Duration, SystemTime};

use actix_web::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::Problem;

/// Of a page where none is asked for.
const DEFAULT_LIMIT: u32 = 50;
/// Of any page: what a list costs is bounded for us and for the database.
const MAX_LIMIT: u32 = 500;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// How many items at most, 1 to 500; 50 where it is left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

impl PageQuery {
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        match self.limit.unwrap_or(DEFAULT_LIMIT) {
            limit @ 1..=MAX_LIMIT => Ok(limit),
            _ => Err(Problem::new(StatusCode::BAD_REQUEST, format!("limit may be from 1 to {MAX_LIMIT}"))),
        }
    }

    pub(super) fn after<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        let Some(cursor) = self.cursor.as_ref().filter(|cursor| !cursor.is_empty()) else { return Ok(None) };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
        let position = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        position.map(Some).ok_or_else(no_such_page)
    }
}

pub(super) fn no_such_page() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "cursor has to be the next of a page of this list")
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// In the list's order.
    items: Vec<T>,
    /// The cursor of the next page; null where this is the last.
    next: Option<String>,
}

impl<T> Page<T> {
    /// Of what was read, which is one more than the page holds where there is a next one.
    pub(super) fn new<R, P: Serialize>(
        mut rows: Vec<R>,
        limit: u32,
        position: impl Fn(&R) -> P,
        item: impl Fn(R) -> T,
    ) -> Self {
        let limit = limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more).map(position);
        let next = last.and_then(|last| serde_json::to_vec(&last).ok());
        Self {
            items: rows.into_iter().map(item).collect(),
            next: next.map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes)),
        }
    }
}

/// As the database keeps it.
pub(super) fn microseconds(time: SystemTime) -> i64 {
    Timestamp::try_from(time).map_or(i64::MAX, Timestamp::as_microsecond)
}

pub(super) fn from_microseconds(microseconds: i64) -> SystemTime {
    let since = u64::try_from(microseconds).map_or(Duration::ZERO, Duration::from_micros);
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// For a reader.
pub(super) fn time(time: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}
