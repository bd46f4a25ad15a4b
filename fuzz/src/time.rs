//! Times in their strict forms, read by the calendar's arithmetic: what is in no doubt.

use std::time::{Duration, SystemTime};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// `2024-01-02T03:04:05.123Z` or with an offset, in the years 1 to 9998 and without leap seconds.
pub(crate) fn rfc3339(text: &str) -> Option<SystemTime> {
    let (date, time) = text.split_once('T')?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (clock, offset) = match time.strip_suffix('Z') {
        Some(clock) => (clock, 0),
        None => {
            let (clock, offset) = time.split_at_checked(time.len().checked_sub(6)?)?;
            let [hours, minutes] = numbers(offset.get(1..)?, ':', [2, 2])?;
            let sign = if offset.starts_with('+') { 1 } else { -1 };
            // An offset of -00:00 says that it is not known.
            let known = offset.starts_with('+') || (offset.starts_with('-') && hours + minutes > 0);
            if !known || hours > 23 || minutes > 59 {
                return None;
            }
            (clock, sign * (hours * 3600 + minutes * 60))
        }
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let fraction_is_right =
        (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let of_day = of_day(clock)?;
    if !fraction_is_right || !(1..=9998).contains(&year) {
        return None;
    }
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    Some(moment(days(year, month, day)? * 86_400 + of_day - offset)? + Duration::from_nanos(nanos))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, from 1970 on.
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    let [weekday, day, month, year, clock, "GMT"] = text.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let ([day], [year]) = (numbers(day, ' ', [2])?, numbers(year, ' ', [4])?);
    let days = days(year, month, day)?;
    let right = days >= 0 && weekday.strip_suffix(',')? == WEEKDAYS[usize::try_from(days % 7).ok()?];
    moment(days * 86_400 + of_day(clock)?).filter(|_| right)
}

fn of_day(clock: &str) -> Option<i64> {
    let [hours, minutes, seconds] = numbers(clock, ':', [2, 2, 2])?;
    (hours < 24 && minutes < 60 && seconds < 60).then_some(hours * 3600 + minutes * 60 + seconds)
}

/// Since 1970, in the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = lengths.get(..usize::try_from(month - 1).ok()?)?;
    if !(1..=*lengths.get(before.len())?).contains(&day) {
        return None;
    }
    let earlier = year - 1;
    let of_years = earlier * 365 + earlier / 4 - earlier / 100 + earlier / 400;
    Some(of_years + before.iter().sum::<i64>() + day - 1 - 719_162)
}

fn moment(seconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    }
}

/// Numbers of so many digits each.
fn numbers<const N: usize>(text: &str, separator: char, lengths: [usize; N]) -> Option<[i64; N]> {
    let parts: [&str; N] = text.split(separator).collect::<Vec<_>>().try_into().ok()?;
    let right = parts
        .iter()
        .zip(lengths)
        .all(|(part, length)| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()));
    right.then(|| parts.map(|part| part.parse().unwrap_or_default()))
}
