//! A cron expression in a time zone. `croner` reads it and finds local times; what instants these are is decided here.
//! Promises that a local time which does not exist runs once, when the clocks have gone forward, and that one which exists
//! twice runs once, the first time. An expression for every hour names no time of day but a distance, so it goes by the
//! time that passes: it neither pauses nor hurries when clocks change.

use std::cmp::Ordering;
use std::fmt;

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::{CivilDate, CivilDateTime, CivilTime, Cron, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// The fields that may stand before a time zone.
const FIELDS: usize = 5;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct CronExpression {
    text: String,
    cron: Cron,
    zone: TimeZone,
    every_hour: bool,
}

impl CronExpression {
    /// Five fields or a nickname such as `@daily`, then a time zone, or UTC. An error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let fields = if text.starts_with('@') { 1 } else { FIELDS };
        let zone = match words.len().checked_sub(fields) {
            Some(0) => TimeZone::UTC,
            Some(1) => zone(words[fields])?,
            _ => return Err(format!("there are {} fields", words.len())),
        };
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(&words[..fields].join(" ")).map_err(|error| match fields {
            1 => format!("{:?} is not known", words[0]),
            _ => in_words(&error),
        })?;
        let every_hour = cron.pattern.hours.values().len() == 24;
        let expression = Self { text: words.join(" "), cron, zone, every_hour };
        match expression.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(expression),
            None => Err("no day is like that".to_owned()),
        }
    }

    /// None where there is none before the calendar ends.
    pub(super) fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        if self.every_hour { self.next_by_time_that_passes(now) } else { self.next_time_of_day(now) }
    }

    /// Local times in their order; each is one instant, and none comes before that of an earlier one.
    fn next_time_of_day(&self, now: Timestamp) -> Option<Timestamp> {
        let mut local = self.zone.to_datetime(now);
        loop {
            local = self.next_local(local, false)?;
            let instant = self.first_instant(local)?;
            // In the second of two equal hours, those of the first are over.
            if instant > now {
                return Some(instant);
            }
        }
    }

    fn first_instant(&self, local: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
            AmbiguousOffset::Gap { before, .. } => {
                // As late as it would have been: so the clocks have just gone forward.
                let would_be = before.to_timestamp(local).ok()?;
                let after = would_be.checked_add(SignedDuration::from_secs(1)).ok()?;
                self.zone.preceding(after).next().map(|transition| transition.timestamp())
            }
        }
    }

    /// From one change of the clocks to the next, local time passes evenly.
    fn next_by_time_that_passes(&self, now: Timestamp) -> Option<Timestamp> {
        let (mut from, mut inclusive) = (now, false);
        loop {
            let offset = self.zone.to_offset(from);
            let local = self.next_local(offset.to_datetime(from), inclusive)?;
            let instant = offset.to_timestamp(local).ok()?;
            match self.zone.following(from).next().map(|transition| transition.timestamp()) {
                Some(change) if change <= instant => (from, inclusive) = (change, true),
                _ => return Some(instant),
            }
        }
    }

    fn next_local(&self, from: DateTime, inclusive: bool) -> Option<DateTime> {
        self.cron.find_next_occurrence(&Local(from), inclusive).ok().map(|Local(next)| next)
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("the time zone {name:?} is not known"))
}

/// The library's reason, without its own name for what it is about.
fn in_words(error: &CronError) -> String {
    match error {
        CronError::InvalidPattern(cause)
        | CronError::IllegalCharacters(cause)
        | CronError::ComponentError(cause) => {
            cause.trim_end_matches('.').replace("CronPattern", "the expression")
        }
        _ => "a field is not understood".to_owned(),
    }
}

/// A local time, without a zone, as the library wants to see it.
#[derive(Clone)]
struct Local(DateTime);

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        let Self(time) = self;
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(time.year().into(), field(time.month()), field(time.day())),
            CivilTime::from_parts_unchecked(field(time.hour()), field(time.minute()), field(time.second())),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(field(self.0.weekday().to_sunday_zero_offset()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let part = |part: u32| i8::try_from(part).map_err(|_| CronError::InvalidDate);
        let (month, day) = (part(civil.month())?, part(civil.day())?);
        let (hour, minute, second) = (part(civil.hour())?, part(civil.minute())?, part(civil.second())?);
        let time = DateTime::new(year, month, day, hour, minute, second, 0);
        time.map(|time| Resolution::Single(Self(time))).map_err(|_| CronError::InvalidDate)
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

/// A part of a date or time is never negative.
fn field(part: i8) -> u32 {
    part.unsigned_abs().into()
}
