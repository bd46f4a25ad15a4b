use std::collections::BTreeSet;

use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;

use super::*;

fn schedule(text: &str) -> Schedule {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("valid")
}

/// The times after `from` and before `until`.
fn times(text: &str, from: &str, until: &str) -> Vec<String> {
    let (schedule, mut now, mut times) = (schedule(text), at(from), vec![]);
    loop {
        now = schedule.next_after(now);
        if now >= at(until) {
            return times;
        }
        times.push(now.to_string());
    }
}

#[test]
fn an_interval_is_counted_from_the_epoch() {
    assert_eq!(schedule("15min").next_after(at("2026-01-01T00:00:00Z")), at("2026-01-01T00:15:00Z"));
    assert_eq!(schedule("15m").next_after(at("2026-01-01T00:14:59.999Z")), at("2026-01-01T00:15:00Z"));
    assert_eq!(schedule("1d").next_after(at("1969-12-31T05:00:00Z")), at("1970-01-01T00:00:00Z"));
}

#[test]
fn a_cron_expression_is_in_utc_unless_it_names_a_time_zone() {
    let now = at("2026-07-03T12:00:00Z"); // a Friday
    assert_eq!(schedule("30 6 * * 1-5").next_after(now), at("2026-07-06T06:30:00Z"));
    assert_eq!(schedule("30 6 * * MON-FRI Europe/Berlin").next_after(now), at("2026-07-06T04:30:00Z"));
    assert_eq!(schedule("@daily America/New_York").next_after(now), at("2026-07-04T04:00:00Z"));
}

#[test]
fn a_local_time_that_does_not_exist_runs_once_when_the_clocks_have_gone_forward() {
    let (from, until) = ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z");
    assert_eq!(times("30 2 * * * Europe/Berlin", from, until), ["2026-03-29T01:00:00Z"]);
    // Four local times that do not exist are one instant, and so is the one that does.
    assert_eq!(times("*/15 2 * * * Europe/Berlin", from, until), ["2026-03-29T01:00:00Z"]);
    assert_eq!(times("0 2,3 * * * Europe/Berlin", from, until), ["2026-03-29T01:00:00Z"]);
    // Half an hour, and midnight.
    let (from, until) = ("2026-10-03T12:00:00Z", "2026-10-04T12:00:00Z");
    assert_eq!(times("15 2 * * * Australia/Lord_Howe", from, until), ["2026-10-03T15:30:00Z"]);
    let (from, until) = ("2026-04-23T12:00:00Z", "2026-04-24T12:00:00Z");
    assert_eq!(times("0 0 * * * Africa/Cairo", from, until), ["2026-04-23T22:00:00Z"]);
    // A day that an island left out.
    let (from, until) = ("2011-12-30T00:00:00Z", "2011-12-31T09:00:00Z");
    assert_eq!(times("0 12 30 * * Pacific/Apia", from, until), ["2011-12-30T10:00:00Z"]);
}

#[test]
fn a_local_time_that_exists_twice_runs_once_the_first_time() {
    let (from, until) = ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z");
    assert_eq!(times("30 2 * * * Europe/Berlin", from, until), ["2026-10-25T00:30:00Z"]);
    let both =
        ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z", "2026-10-25T02:30:00Z"];
    assert_eq!(times("0,30 2,3 * * * Europe/Berlin", from, until), both);
}

#[test]
fn an_expression_for_every_hour_goes_by_the_time_that_passes() {
    for day in ["2026-03-29", "2026-10-25"] {
        let (from, until) = (format!("{day}T00:00:00Z"), format!("{day}T03:00:00Z"));
        let hourly = times("30 * * * * Europe/Berlin", &from, &until);
        assert_eq!(hourly, [0, 1, 2].map(|hour| format!("{day}T0{hour}:30:00Z")));
        assert_eq!(times("*/5 * * * * Europe/Berlin", &from, &until).len(), 35);
    }
}

#[test]
fn what_is_no_schedule_is_refused_with_what_is_allowed() {
    let cases = [
        ("", None),
        ("soon", None),
        ("0s", None),
        ("999ms", None),
        ("32d", None),
        ("0 6 * *", Some("there are 4 fields")),
        ("0 0 6 * * * Europe/Berlin", Some("there are 7 fields")),
        ("0 6 * * * Europe/Atlantis", Some("the time zone \"Europe/Atlantis\" is not known")),
        ("0 0 6 * * 1", Some("the time zone \"1\" is not known")),
        ("0 6 30 2 *", Some("no day is like that")),
        ("60 6 * * *", Some("")),
        ("0 6 * * MOON", Some("")),
        ("@reboot UTC", Some("\"@reboot\" is not known")),
    ];
    for (text, cause) in cases {
        let message = text
            .parse::<Schedule>()
            .map(|schedule| schedule.to_string())
            .expect_err("no schedule")
            .to_string();
        assert!(
            message.starts_with("an interval from 1s to 31d, such as 15min, or a cron expression"),
            "{message}"
        );
        assert_eq!(message.contains("; here "), cause.is_some(), "{text}: {message}");
        assert!(message.ends_with(cause.unwrap_or("Europe/Berlin")), "{text}: {message}");
        assert!(!message.contains("Pattern") && !message.contains("Cron"), "{message}");
    }
    for allowed in [
        ALLOWED.split(", ").nth(1).expect("valid").trim_start_matches("such as "),
        "0 6 * * 1-5 Europe/Berlin",
    ] {
        assert!(ALLOWED.contains(allowed));
        assert_eq!(schedule(allowed).to_string(), allowed);
    }
    assert_eq!((schedule("1s").to_string(), schedule("31d").to_string()), ("1s".into(), "31d".into()));
}

#[test]
fn an_offset_is_the_same_on_every_machine_and_in_every_release() {
    let offset = |text, account: &str| schedule(text).of(&account.into()).offset.as_millis();
    assert_eq!(offset("15min", "acme"), 524_952);
    assert_eq!(offset("0 6 * * *", "acme"), 224_952);
    assert_eq!(offset("15min", "Ünïcode"), 674_040);
}

#[test]
fn a_thousand_accounts_are_spread_evenly() {
    for (text, seconds) in [("15min", 900), ("0 6 * * *", 300), ("* * * * *", 60)] {
        let schedule = schedule(text);
        let now = at("2026-01-01T05:59:59Z");
        let mut starts = [0; 60];
        for number in 0..1000 {
            let wait = schedule.of(&format!("account-{number}").into()).next_after(now).duration_since(now);
            starts[usize::try_from(wait.as_secs() * 60 / (seconds + 1)).expect("valid")] += 1;
        }
        // 17 on average. Of a fair spread, one in a billion is fuller.
        assert!(starts.iter().all(|starts| *starts < 45), "{text}: {starts:?}");
        assert!(starts.iter().filter(|starts| **starts > 0).count() > 55, "{text}: {starts:?}");
    }
}

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "America/St_Johns",
    "Africa/Casablanca",
];

/// An expression, and the minutes, hours and days of the week (0 is Sunday) that it names.
#[derive(Clone, Debug)]
struct Named {
    text: String,
    zone: TimeZone,
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    weekdays: BTreeSet<i8>,
}

impl Named {
    fn fits(&self, local: jiff::civil::DateTime) -> bool {
        self.minutes.contains(&local.minute())
            && self.hours.contains(&local.hour())
            && self.weekdays.contains(&local.weekday().to_sunday_zero_offset())
    }

    /// The rule, minute by minute.
    fn runs_at(&self, minute: Timestamp) -> bool {
        let local = self.zone.to_datetime(minute);
        let before = self.zone.to_datetime(minute - 1.minute());
        let every_hour = self.hours.len() == 24;
        let is_second = match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).expect("valid") < minute,
            _ => false,
        };
        let mut left_out = before + 1.minute();
        while !every_hour && left_out < local {
            if self.fits(left_out) {
                return true;
            }
            left_out += 1.minute();
        }
        self.fits(local) && (every_hour || !is_second)
    }
}

fn field(all: std::ops::Range<i8>) -> impl Strategy<Value = (String, BTreeSet<i8>)> {
    let every = all.clone();
    let steps = all.clone();
    prop_oneof![
        Just(("*".to_owned(), all.clone().collect())),
        (1i8..30).prop_map(move |step| (
            format!("*/{}", step.min(steps.end - 1)),
            steps.clone().step_by(step.min(steps.end - 1) as usize).collect()
        )),
        prop::collection::btree_set(every, 1..4)
            .prop_map(|values| { (values.iter().map(i8::to_string).collect::<Vec<_>>().join(","), values) }),
    ]
}

fn named() -> impl Strategy<Value = Named> {
    (field(0..60), field(0..24), field(0..7), prop::sample::select(&ZONES[..])).prop_map(
        |((minute, minutes), (hour, hours), (weekday, weekdays), zone)| Named {
            text: format!("{minute} {hour} * * {weekday} {zone}"),
            zone: TimeZone::get(zone).expect("valid"),
            minutes,
            hours,
            weekdays,
        },
    )
}

/// Half of them within two days of a change of the clocks.
fn moment(zone: &TimeZone, seed: i64, near: bool) -> Timestamp {
    let some_time =
        at("2020-01-01T00:00:00Z") + SignedDuration::from_secs(seed.rem_euclid(10 * 365 * 86_400));
    match zone.following(some_time).next() {
        Some(change) if near => {
            change.timestamp() + SignedDuration::from_millis(seed.rem_euclid(345_600_000) - 172_800_000)
        }
        _ => some_time,
    }
}

proptest! {
    #[test]
    fn the_next_time_is_the_one_that_a_search_minute_by_minute_finds(
        named in named(),
        seed in any::<i64>(),
        near in any::<bool>(),
    ) {
        let now = moment(&named.zone, seed, near);
        let next = schedule(&named.text).next_after(now);
        let mut minute = Timestamp::from_second(now.as_second().div_euclid(60) * 60).expect("valid") + 1.minute();
        let limit = now + SignedDuration::from_hours(50);
        while minute < limit && !named.runs_at(minute) {
            minute += 1.minute();
        }
        if minute < limit {
            prop_assert_eq!(next, minute, "{} after {}", named.text, now);
        } else {
            prop_assert!(next >= limit, "{} after {}: {}", named.text, now, next);
        }
    }

    #[test]
    fn an_account_runs_as_often_as_its_schedule_and_each_time_as_much_later(
        named in named(),
        interval in 1u64..100_000,
        by_interval in any::<bool>(),
        account in "[a-z0-9]{1,12}",
        seed in any::<i64>(),
    ) {
        let schedule = if by_interval { schedule(&format!("{interval}s")) } else { schedule(&named.text) };
        let own = schedule.of(&account.as_str().into());
        let spread = if by_interval { Duration::from_secs(interval) } else { CRON_SPREAD };
        prop_assert!(own.offset < spread);
        let mut planned = schedule.next_after(moment(&named.zone, seed, true));
        let mut now = planned + own.offset - SignedDuration::from_nanos(1);
        for _ in 0..20 {
            now = own.next_after(now);
            prop_assert_eq!(now, planned + own.offset);
            planned = schedule.next_after(planned);
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(
        text in "[0-9*/,#LW+@A-Za-z -]{0,24}",
        fields in prop::collection::vec("[0-9*/,LW#?+-]{1,6}", 5),
    ) {
        let _ = text.parse::<Schedule>();
        let _ = fields.join(" ").parse::<Schedule>();
    }
}
