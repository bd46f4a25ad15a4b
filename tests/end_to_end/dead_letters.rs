//! `dead-letters` with the real binary: what was given up on is shown, tried again when the platform is mended, or
//! discarded.

use std::process::Command;

use mock_platform::{EMAIL, PASSWORD};
use serde_json::{Value, json};

use crate::listing_platform::ListingPlatform;
use crate::support::{Postgres, bare, outcome};

/// An entry that is a good campaign.
fn good(id: &str) -> String {
    with(&format!(r#""id":"{id}","#), "Spring", "12.50")
}

fn with(id: &str, name: &str, budget: &str) -> String {
    format!(
        r#"{{{id}"name":"{name}","status":"active","budget":{budget},"impressions":1,"clicks":1,"conversions":0,"created_at":"2026-01-02T03:04:05Z"}}"#
    )
}

fn five_hundred() -> Vec<String> {
    (1..=500).map(|number| good(&format!("c-{number:03}"))).collect()
}

fn command(platform: &ListingPlatform, database: &Postgres, arguments: &str) -> Command {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let mut command = bare(&arguments);
    command
        .env("AD_PLATFORM_API_URL", platform.url())
        .env("AD_PLATFORM_EMAIL", EMAIL)
        .env("AD_PLATFORM_PASSWORD", PASSWORD)
        .env("DATABASE_URL", database.url());
    command
}

/// The exit code and the JSON on standard output of a command that takes `--report json`.
fn json_of(platform: &ListingPlatform, database: &Postgres, arguments: &str) -> (i32, Value) {
    let (code, stdout, stderr) = outcome(command(platform, database, &format!("{arguments} --report json")));
    let value = serde_json::from_str(&stdout);
    (code, value.unwrap_or_else(|error| panic!("{error}: stdout {stdout:?}, stderr {stderr}")))
}

const RUN: &str = "run --rate-limit none --page-size 100";
const REPLAY: &str = "dead-letters replay --rate-limit none --page-size 100";

#[test]
fn what_a_platform_spoils_is_a_dead_letter_and_stored_by_a_replay_once_it_is_mended() {
    let bad = [
        with(r#""id":"nul","#, r"Spr\u0000ing", "1"),
        with(r#""id":"huge","#, "Spring", "1e400000"),
        with("", "No id", "1"),
    ];
    // Exact as a numeric, so it is no reason to give anything up.
    let large = with(r#""id":"large","#, "Spring", "1e400");
    let mut entries = five_hundred();
    entries.splice(250..250, bad.into_iter().chain([good("c-007"), large.clone()]));
    let (platform, database) = (ListingPlatform::start(entries), Postgres::start());

    let (code, report) = json_of(&platform, &database, RUN);
    let counts = &report["accounts"][0]["campaigns"];
    assert_eq!((code, &report["status"]), (3, &json!("partial")), "{report}");
    assert_eq!((&counts["stored"], &counts["dead_lettered"]), (&json!(501), &json!(3)), "{report}");
    let classes = json!({"malformed": 1, "unstorable": 2});
    assert_eq!(report["accounts"][0]["dead_lettered_by_class"], classes, "{report}");
    assert_eq!((database.count("campaigns"), database.count("dead_letters")), (501, 3));
    let exact = "SELECT budget = 10 ^ 400::numeric AS exact FROM campaigns WHERE id = 'large'";
    assert_eq!(database.query(exact), [json!({"exact": true})]);
    assert_eq!(
        platform.take_seen().0.iter().filter(|id| *id == "c-007").count(),
        1,
        "a repeat is no second sync"
    );

    let (code, letters) = json_of(&platform, &database, "dead-letters list");
    assert_eq!(code, 0);
    let letters = letters.as_array().expect("a list");
    let of = |id: &str| {
        let mut found = letters.iter().filter(|l| l["campaign"].as_str().expect("an id").starts_with(id));
        found.next().unwrap_or_else(|| panic!("no {id}: {letters:?}"))
    };
    for (id, class, message) in [
        ("nul", "unstorable", "name holds a NUL"),
        ("huge", "unstorable", "overflows numeric"),
        ("malformed-", "malformed", "`id` is missing"),
    ] {
        let letter = of(id);
        assert_eq!(letter["class"], class, "{letter}");
        assert!(letter["message"].as_str().expect("text").contains(message), "{letter}");
    }
    assert!(of("nul")["payload"].as_str().expect("text").contains(r"Spr\u0000ing"), "as received");

    // Nothing is mended: a replay finds the same, and asks for nothing else.
    let (code, report) = json_of(&platform, &database, REPLAY);
    assert_eq!((code, &report["accounts"][0]["campaigns"]["dead_lettered"]), (3, &json!(3)), "{report}");
    assert_eq!(platform.take_seen().0, ["huge", "nul"]);

    let mut mended = five_hundred();
    mended.extend([good("nul"), good("huge"), good("named-now"), large]);
    platform.list_instead(mended);
    let (code, report) = json_of(&platform, &database, &format!("{REPLAY} --campaign nul --campaign c-001"));
    let account = &report["accounts"][0];
    assert_eq!(
        (code, &account["campaigns"]["stored"], &account["problems"]),
        (0, &json!(1), &json!([])),
        "{report}"
    );
    assert_eq!(platform.take_seen(), (vec!["nul".to_owned()], 6));
    assert_eq!(database.count("dead_letters"), 2);

    // The entry without an id is one with an id now: its letter goes, and the next run stores the campaign.
    let (code, report) = json_of(&platform, &database, REPLAY);
    assert_eq!((code, &report["status"]), (0, &json!("complete")), "{report}");
    assert_eq!(platform.take_seen().0, ["huge"]);
    assert_eq!((database.count("campaigns"), database.count("dead_letters")), (503, 0));
    let (code, _) = json_of(&platform, &database, RUN);
    assert_eq!((code, database.count("campaigns")), (0, 504));

    let (_, runs) = json_of(&platform, &database, "runs");
    let kinds: Vec<&Value> =
        runs["runs"].as_array().expect("a list").iter().map(|run| &run["kind"]).collect();
    assert_eq!(kinds, ["sync", "replay", "replay", "replay", "sync"]);
}

#[test]
fn a_list_that_is_cut_says_so_to_people_and_a_replay_of_nothing_says_so() {
    let bad = ["a", "b", "c"].map(|id| with(&format!(r#""id":"{id}","#), "Spring", "true"));
    let (platform, database) = (ListingPlatform::start(bad.to_vec()), Postgres::start());
    assert_eq!(json_of(&platform, &database, RUN).0, 3);
    let list = |flags: &str| outcome(command(&platform, &database, &format!("dead-letters list {flags}")));
    let (code, stdout, stderr) = list("--limit 2");
    assert_eq!((code, stdout.lines().count()), (0, 3), "{stdout}");
    assert!(stderr.contains("there are more than these 2: a higher --limit shows them"), "{stderr}");
    for all in ["--limit 3", "--limit 2 --campaign a", "--limit 2 --report json"] {
        let (code, _, stderr) = list(all);
        assert!(code == 0 && !stderr.contains("there are more"), "{all}: {stderr}");
    }
    assert_eq!(
        json_of(&platform, &database, "dead-letters list --limit 2").1.as_array().map(Vec::len),
        Some(2)
    );

    let replay = |flags: &str| outcome(command(&platform, &database, &format!("{REPLAY} {flags}")));
    let (code, _, stderr) = replay("--class timeout");
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stderr.contains("no such dead letters in database") && stderr.contains("nothing was replayed"),
        "{stderr}"
    );
    let (code, _, stderr) = replay("--class malformed");
    assert!(code == 3 && !stderr.contains("no such dead letters"), "{stderr}");
}

#[test]
fn an_ordinary_run_heals_them_too() {
    let mut entries = five_hundred();
    entries.extend([
        with(r#""id":"nul","#, r"\u0000", "1"),
        with("", "No id", "1"),
        with(r#""id":"m","#, "M", "true"),
    ]);
    let (platform, database) = (ListingPlatform::start(entries), Postgres::start());
    assert_eq!(json_of(&platform, &database, RUN).0, 3);
    assert_eq!(database.count("dead_letters"), 3);
    let mut mended = five_hundred();
    mended.extend(["nul", "named-now", "m"].map(good));
    platform.list_instead(mended);
    let (code, report) = json_of(&platform, &database, RUN);
    assert_eq!((code, &report["status"]), (0, &json!("complete")), "{report}");
    assert_eq!((database.count("campaigns"), database.count("dead_letters")), (503, 0));
}

#[test]
fn a_replay_of_what_is_not_listed_any_more_names_it_and_keeps_it() {
    let spoilt = [with(r#""id":"gone","#, "G", "true"), with(r#""id":"there","#, "T", "true")];
    let (platform, database) = (ListingPlatform::start(spoilt.to_vec()), Postgres::start());
    assert_eq!(json_of(&platform, &database, RUN).0, 3);
    platform.list_instead(vec![good("there")]);
    let (code, report) = json_of(&platform, &database, REPLAY);
    let problem = &report["accounts"][0]["problems"][0];
    assert_eq!((code, &problem["class"]), (3, &json!("not_listed")), "{report}");
    assert!(problem["message"].as_str().expect("text").contains("gone"), "{report}");
    assert_eq!(database.query("SELECT campaign_id FROM dead_letters"), [json!({"campaign_id": "gone"})]);
    assert_eq!(database.count("campaigns"), 1);
}

#[test]
fn what_is_discarded_has_to_be_said_and_is_shown() {
    let bad = [with(r#""id":"a\u001b[2J","#, "A", "true"), with(r#""id":"b","#, r"\u0000", "1"), good("c")];
    let (platform, database) = (ListingPlatform::start(bad.to_vec()), Postgres::start());
    assert_eq!(json_of(&platform, &database, RUN).0, 3);
    let discard =
        |flags: &str| outcome(command(&platform, &database, &format!("dead-letters discard {flags}")));

    let (code, _, stderr) = discard("--yes");
    assert_eq!(code, 2);
    assert!(stderr.contains("a filter is missing") && stderr.contains("--all"), "{stderr}");
    assert_eq!(discard("--all --class malformed --yes").0, 2);
    let (code, _, stderr) = discard("--all");
    assert_eq!(code, 2);
    assert!(stderr.contains("--yes is missing") && stderr.contains("terminal"), "{stderr}");
    let (code, _, stderr) = discard("--class malformd --yes");
    assert_eq!(code, 2);
    assert!(stderr.contains("--class must be timeout or"), "{stderr}");
    assert_eq!(database.count("dead_letters"), 2);

    let (code, stdout, _) = outcome(command(&platform, &database, "dead-letters list --class malformed"));
    assert_eq!(code, 0);
    assert!(stdout.contains("`budget` must be") && !stdout.contains('\u{1b}'), "{stdout:?}");
    let (code, stdout, _) = discard("--account other --yes");
    assert!(code == 0 && stdout.starts_with("no such dead letters in"), "{stdout}");
    let (code, stdout, stderr) = discard("--class malformed --yes");
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.contains("`budget` must be") && stdout.ends_with("1 dead letters discarded\n"),
        "{stdout}"
    );
    assert_eq!(database.query("SELECT campaign_id FROM dead_letters"), [json!({"campaign_id": "b"})]);
    let (code, stdout, _) = discard("--all --yes");
    assert!(code == 0 && stdout.contains("unstorable"), "{stdout}");
    assert_eq!(database.count("dead_letters"), 0);
}

#[test]
fn what_the_platform_refuses_is_tried_again_only_where_it_is_said() {
    let (platform, database) =
        (ListingPlatform::start(vec![good("fine"), good("refused")]), Postgres::start());
    let attempts = || database.query("SELECT campaign_id, error_class, attempts FROM dead_letters");
    let letter =
        |attempts| [json!({"campaign_id": "refused", "error_class": "rejected", "attempts": attempts})];

    assert_eq!(json_of(&platform, &database, RUN).0, 3);
    assert_eq!(platform.take_seen().0, ["fine", "refused"]);
    assert_eq!(attempts(), letter(1));

    assert_eq!(json_of(&platform, &database, &format!("{RUN} --retry rejected=3/1ms")).0, 3);
    assert_eq!(platform.take_seen().0, ["fine", "refused", "refused", "refused"]);
    assert_eq!(attempts(), letter(3));
}
