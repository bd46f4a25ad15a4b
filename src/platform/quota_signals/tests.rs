use awc::http::header::HeaderValue;
use proptest::prelude::*;

use super::*;

const DATE_TEXT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
/// Well after 2001, where a moment cannot be taken for a wait.
const LATE_DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT"; // 1700000000

fn head(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

/// Remaining as (policy, requests, seconds), policies as (requests, seconds).
type Read = (Vec<(String, u64, u64)>, Vec<(usize, u64)>);

fn read_all(fields: &[(&str, &str)]) -> Read {
    let QuotaSignals { remaining, policies } = quota_signals(&head(fields));
    let remaining = remaining.iter().map(|r| (r.policy().to_owned(), r.requests(), r.renewed_in().as_secs()));
    (remaining.collect(), policies.iter().map(|p| (p.requests(), p.window().as_secs())).collect())
}

#[track_caller]
fn assert_left(fields: &[(&str, &str)], wanted: &[(&str, u64, u64)]) {
    let wanted: Vec<_> =
        wanted.iter().map(|&(name, left, seconds)| (name.to_owned(), left, seconds)).collect();
    assert_eq!(read_all(fields).0, wanted, "{fields:?}");
}

#[track_caller]
fn assert_policies(fields: &[(&str, &str)], wanted: &[(usize, u64)]) {
    assert_eq!(read_all(fields), (vec![], wanted.to_vec()), "{fields:?}");
}

#[test]
fn an_answer_without_such_headers_says_nothing_and_allocates_nothing() {
    let signals = quota_signals(&head(&[("date", DATE_TEXT), ("retry-after", "5"), ("x-request-id", "7")]));
    assert!(signals.is_empty());
    assert_eq!((signals.remaining.capacity(), signals.policies.capacity()), (0, 0));
}

#[test]
fn the_drafts_ratelimit_field_says_what_is_left() {
    for (field, wanted) in [
        (r#""default";r=50;t=30"#, &[("default", 50, 30)][..]),
        (r#""default";r=0;t=86400"#, &[("default", 0, 86_400)]),
        (r#"default; t=30; R=50"#, &[("default", 50, 30)]),
        (r#""burst";r=5;t=2,"day";r=8;t=600"#, &[("burst", 5, 2), ("day", 8, 600)]),
        (r#""a,b;r=1;t=1";r=2;t=3;pk=:cHsdsRa894==:;note="r=9;t=9""#, &[("a,b;r=1;t=1", 2, 3)]),
        (r#""quo\"te,";r=2;t=3"#, &[(r#"quo\"te,"#, 2, 3)]),
        // What makes no sense spoils itself and nothing else.
        (r#""default";r=50;t=0"#, &[]),
        (r#""default";r=50;t=86401"#, &[]),
        (r#""default";r=-1;t=30"#, &[]),
        (r#""default";r=1.5;t=30"#, &[]),
        (r#""default";r=;t=30"#, &[]),
        (r#""default";r=50;t=soon"#, &[]),
        (r#""default";r=50"#, &[]),
        (r#""default";t=50"#, &[]),
        (r#""default""#, &[]),
        (r#""default";r=1234567890123456;t=30"#, &[]),
        ("", &[]),
        (",,;;==\"", &[]),
        (r#""bad";r=x;t=1, "good";r=1;t=2"#, &[("good", 1, 2)]),
    ] {
        assert_left(&[("ratelimit", field)], wanted);
    }
    assert_left(
        &[("RateLimit", r#""a";r=1;t=2"#), ("RateLimit", r#""b";r=3;t=4"#)],
        &[("a", 1, 2), ("b", 3, 4)],
    );
}

#[test]
fn the_drafts_policy_field_says_which_limits_there_are() {
    for (field, wanted) in [
        (r#""default";q=100;w=60"#, &[(100, 60)][..]),
        (r#""permin";q=50;w=60,"perhr";q=1000;w=3600"#, &[(50, 60), (1000, 3600)]),
        (r#""default";q=100;w=60;qu="requests""#, &[(100, 60)]),
        (r#""default";q=100;w=60;qu=requests"#, &[(100, 60)]),
        ("100;w=60, 1000;w=86400;comment=\"a;b\"", &[(100, 60), (1000, 86_400)]),
        (r#""peruser";q=65535;qu="content-bytes";w=10"#, &[]),
        (r#""peruser";q=4;qu="concurrent-requests";w=10"#, &[]),
        (r#""default";q=100"#, &[]),
        (r#""default";w=60"#, &[]),
        (r#""default";q=0;w=60"#, &[]),
        (r#""default";q=100;w=0"#, &[]),
        (r#""default";q=100;w=2678400"#, &[(100, 2_678_400)]),
        (r#""default";q=100;w=2678401"#, &[]),
        (r#""default";q=4294967297;w=60"#, &[]),
        (r#""default";q=-5;w=60"#, &[]),
        ("100", &[]),
    ] {
        assert_policies(&[("ratelimit-policy", field)], wanted);
    }
}

#[test]
fn the_policy_of_the_same_name_says_for_how_long_and_of_what() {
    let policy = (r#"RateLimit-Policy"#, r#""m";q=100;w=60, "b";q=9;w=60;qu="content-bytes", "none";q=5"#);
    for (field, wanted) in [
        (r#""m";r=50"#, &[("m", 50, 60)][..]),
        (r#""m";r=50;t=7"#, &[("m", 50, 7)]),
        (r#""m";r=50;t=x"#, &[]),
        (r#""b";r=0;t=7"#, &[]),
        (r#""none";r=50"#, &[]),
        (r#""other";r=50"#, &[]),
    ] {
        assert_left(&[policy, ("RateLimit", field)], wanted);
    }
}

#[test]
fn the_drafts_older_forms_are_read_too() {
    let dictionary = "limit=100, remaining=50, reset=30";
    assert_left(&[("ratelimit", dictionary)], &[("", 50, 30)]);
    assert_left(&[("ratelimit", "reset=30,Remaining=0")], &[("", 0, 30)]);
    assert_left(&[("ratelimit", "limit=100, remaining=50")], &[]);
    let fields = [
        ("ratelimit-limit", "100, 100;w=60, 1000;w=3600"),
        ("ratelimit-remaining", "50"),
        ("ratelimit-reset", "30"),
    ];
    assert_eq!(read_all(&fields), (vec![(String::new(), 50, 30)], vec![(100, 60), (1000, 3600)]));
}

#[test]
fn a_reset_is_a_wait_or_a_moment_in_seconds_or_milliseconds_by_the_responses_own_date() {
    for prefix in ["x-ratelimit-", "X-RateLimit-", "x-rate-limit-", "ratelimit-"] {
        for (date, reset, wanted) in [
            (Some(LATE_DATE), "30", Some(30)),
            (None, "30", Some(30)),
            (None, "86400", Some(86_400)),
            (None, "86401", None),
            (None, "0", None),
            (None, "-1", None),
            (None, "30.5", None),
            (None, "soon", None),
            (None, "", None),
            (Some(LATE_DATE), "1700000030", Some(31)),
            (Some(LATE_DATE), "1700000030000", Some(31)),
            (Some(LATE_DATE), "1700000000", Some(1)),
            (Some(LATE_DATE), "1700086400", Some(86_400)),
            (Some(LATE_DATE), "1700086401", None),
            (Some(LATE_DATE), "1699999999", None),
            (Some(LATE_DATE), "1699999999999", None),
            (Some(LATE_DATE), "1700086400000", Some(86_400)),
            (Some(LATE_DATE), "999999999", None),
            // The local clock is decades away from one of these: it must have no say.
            (None, "1700000030", None),
            (Some("today"), "1700000030", None),
            (Some(DATE_TEXT), "1700000030", None),
        ] {
            let (remaining, name) = (format!("{prefix}remaining"), format!("{prefix}reset"));
            let mut fields = vec![(remaining.as_str(), "50"), (name.as_str(), reset)];
            fields.extend(date.map(|date| ("date", date)));
            let wanted: Vec<_> = wanted.into_iter().map(|seconds| ("", 50, seconds)).collect();
            assert_left(&fields, &wanted);
        }
    }
}

#[test]
fn several_values_belong_together_by_their_place() {
    let fields = |remaining, reset| [("x-ratelimit-remaining", remaining), ("x-ratelimit-reset", reset)];
    assert_left(&fields("5, 90", "1, 60"), &[("", 5, 1), ("2", 90, 60)]);
    assert_left(&fields("5, 90", "60"), &[("", 5, 60), ("2", 90, 60)]);
    assert_left(&fields("x, 90", "1, 60"), &[("2", 90, 60)]);
    assert_left(&fields("5, 90", "1, x"), &[("", 5, 1)]);
    assert_left(&fields("5, 90, 7", "1, 60"), &[("", 5, 1), ("2", 90, 60)]);
    assert_left(&fields("5", ""), &[]);
    let many = "1,".repeat(100);
    assert_eq!(read_all(&fields(&many, &many)).0.len(), MOST_MEMBERS);
    assert_policies(&[("x-ratelimit-limit", "100, 100;w=60")], &[(100, 60)]);
    assert_left(&[("x-ratelimit-remaining", "5")], &[]);
}

#[test]
fn of_several_families_of_headers_the_draft_says_what_is_left() {
    let x = [("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "8")];
    assert_left(&[x[0], x[1], ("ratelimit", r#""d";r=1;t=2"#)], &[("d", 1, 2)]);
    assert_left(&[x[0], x[1], ("ratelimit", "nonsense")], &[("", 7, 8)]);
}

const NAMES: [&str; 12] = [
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-rate-limit-limit",
    "x-rate-limit-remaining",
    "x-rate-limit-reset",
    "date",
];

/// Any bytes that a header may hold, or what looks nearly right.
fn values() -> impl Strategy<Value = Vec<u8>> {
    let number = || prop_oneof![Just(0u64), any::<u64>(), 1u64..100, 1_699_999_000u64..1_700_001_000];
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        r#"[";,= \\a-z0-9.:-]{0,60}"#.prop_map(String::into_bytes),
        (number(), number()).prop_map(|(a, b)| format!(r#""n";q={a};w={b};r={a};t={b}"#).into_bytes()),
        (number(), number()).prop_map(|(a, b)| format!("remaining={a},reset={b},{a},{b};w={a}").into_bytes()),
        number().prop_map(|a| a.to_string().into_bytes()),
        Just(LATE_DATE.as_bytes().to_vec()),
    ]
}

proptest! {
    #[test]
    fn whatever_the_headers_hold_what_is_read_is_bounded(
        fields in proptest::collection::vec((0..NAMES.len(), values()), 0..12),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(HeaderName::from_static(NAMES[name]), value);
            }
        }
        let QuotaSignals { remaining, policies } = quota_signals(&headers);
        prop_assert!(remaining.len() <= MOST_MEMBERS && policies.len() <= 4 * MOST_MEMBERS);
        for remaining in remaining {
            prop_assert!(remaining.renewed_in() > Duration::ZERO && remaining.renewed_in() <= LONGEST_COOL_DOWN);
        }
        for policy in policies {
            prop_assert!(policy.requests() > 0 && policy.window() <= Duration::from_secs(31 * 86_400));
        }
    }

    #[test]
    fn what_is_written_by_the_book_is_read_as_it_was_meant(
        policies in proptest::collection::vec(("[ -!#-\\[\\]-~]{1,12}", 1u32..1_000_000, 1u64..900), 1..MOST_MEMBERS),
    ) {
        let policy: Vec<String> = policies.iter().map(|(n, q, w)| format!(r#""{n}";q={q};w={w}"#)).collect();
        let left: Vec<String> = policies.iter().map(|(n, q, w)| format!(r#""{n}";r={q};t={w}"#)).collect();
        let fields = [("ratelimit-policy", &*policy.join(", ")), ("ratelimit", &*left.join(","))];
        let (left, limits) = read_all(&fields);
        prop_assert_eq!(left, policies.iter().map(|(n, q, w)| (n.clone(), u64::from(*q), *w)).collect::<Vec<_>>());
        prop_assert_eq!(limits, policies.iter().map(|(_, q, w)| (*q as usize, *w)).collect::<Vec<_>>());
    }
}
