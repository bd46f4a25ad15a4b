//! When an account is to run: at an interval, or by a cron expression in a time zone. Pure.
//! Promises that the answer depends on the account and the time alone: it is the same after a restart, on every machine
//! and in every release.

mod cron;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use actors::model::AccountId;
use jiff::Timestamp;
use thiserror::Error;
use uuid::Uuid;

use self::cron::CronExpression;
use crate::config::duration;

/// The shortest interval. What takes longer runs without a pause.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest interval.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);
/// How far accounts with a cron expression are spread behind its times: a thousand of them then start 300 ms apart, and
/// nobody takes five minutes for another time than the one that was written.
const CRON_SPREAD: Duration = Duration::from_secs(5 * 60);

/// Times that are looked at for the longest pause: a week of a schedule that runs daily but on Sundays.
const LOOKED_AHEAD: usize = 8;
/// Where nothing is set.
const DEFAULT: Duration = Duration::from_secs(3600);

/// What a schedule may be.
const ALLOWED: &str = "an interval from 1s to 31d, such as 15min, or a cron expression of five fields (minute, hour, day of \
                       month, month, day of week) and a time zone (UTC where none is named), such as 0 6 * * 1-5 \
                       Europe/Berlin";

/// As a user writes it.
#[derive(Clone, Debug)]
pub struct Schedule(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Every(Duration),
    Cron(Box<CronExpression>),
}

/// A text that is no schedule. Says what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{ALLOWED}{}", .cause.as_ref().map(|cause| format!("; here {cause}")).unwrap_or_default())]
pub struct InvalidSchedule {
    cause: Option<String>,
}

impl Schedule {
    /// The first time after `now`; [`Timestamp::MAX`] where the calendar ends before it comes.
    pub fn next_after(&self, now: Timestamp) -> Timestamp {
        match &self.0 {
            Kind::Every(interval) => next_multiple(*interval, now),
            Kind::Cron(expression) => expression.next_after(now).unwrap_or(Timestamp::MAX),
        }
    }

    /// The longest time between two of its next few; none where there are no two.
    pub fn longest_pause(&self, now: Timestamp) -> Option<Duration> {
        let times: Vec<Timestamp> =
            std::iter::successors(Some(self.next_after(now)), |time| Some(self.next_after(*time)))
                .take_while(|time| *time < Timestamp::MAX)
                .take(LOOKED_AHEAD)
                .collect();
        times.windows(2).map(|two| two[1].duration_since(two[0]).unsigned_abs()).max()
    }

    /// The account's own times: each of the schedule's, later by what is always the same for the account. So two runs
    /// are as far apart as the schedule says, none is left out, and a thousand accounts do not start in one second.
    pub fn of(&self, account: &AccountId) -> AccountSchedule {
        let spread = match &self.0 {
            Kind::Every(interval) => *interval,
            Kind::Cron(_) => CRON_SPREAD,
        };
        AccountSchedule { schedule: self.clone(), offset: offset(account, spread) }
    }
}

impl Default for Schedule {
    /// Every hour.
    fn default() -> Self {
        Self(Kind::Every(DEFAULT))
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl FromStr for Schedule {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        let text = text.trim();
        match duration::parse(text) {
            Some(interval) if (SHORTEST..=LONGEST).contains(&interval) => Ok(Self(Kind::Every(interval))),
            Some(_) => Err(InvalidSchedule { cause: None }),
            None if !text.contains(char::is_whitespace) && !text.starts_with('@') => {
                Err(InvalidSchedule { cause: None })
            }
            None => match CronExpression::parse(text) {
                Ok(expression) => Ok(Self(Kind::Cron(Box::new(expression)))),
                Err(cause) => Err(InvalidSchedule { cause: Some(cause) }),
            },
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Every(interval) => f.write_str(&duration::display(*interval)),
            Kind::Cron(expression) => expression.fmt(f),
        }
    }
}

/// A schedule as one account follows it.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountSchedule {
    schedule: Schedule,
    offset: Duration,
}

impl AccountSchedule {
    /// The account's first time after `now`; [`Timestamp::MAX`] where the calendar ends before it comes.
    pub fn next_after(&self, now: Timestamp) -> Timestamp {
        let in_step = now.checked_sub(self.offset).unwrap_or(Timestamp::MIN);
        self.schedule.next_after(in_step).checked_add(self.offset).unwrap_or(Timestamp::MAX)
    }

    /// What all its accounts share.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }
}

/// Intervals are counted from the epoch, so that a restart changes nothing.
fn next_multiple(interval: Duration, now: Timestamp) -> Timestamp {
    let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
    let next = now.as_millisecond().div_euclid(interval).saturating_add(1).saturating_mul(interval);
    Timestamp::from_millisecond(next).unwrap_or(Timestamp::MAX)
}

/// Anything from nothing to less than `spread`, evenly over the accounts.
fn offset(account: &AccountId, spread: Duration) -> Duration {
    // SHA-1, as RFC 9562 lays down: the same for ever. All but its two highest bits are the hash's.
    let (_, hash) = Uuid::new_v5(&Uuid::NAMESPACE_OID, account.as_str().as_bytes()).as_u64_pair();
    let spread = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(hash.checked_rem(spread).unwrap_or(0))
}

#[cfg(test)]
mod tests;
