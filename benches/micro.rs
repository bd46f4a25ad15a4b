//! `cargo bench --bench micro`: the steps that a profile of the whole names, each on its own. criterion measures their time;
//! `benches/micro/compare` counts their instructions, which a busy machine does not change, of two commits.

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use actors::settings::{Concurrency, PipelineSettings};
use actors::testing::{
    LimiterLoad, ScriptedPlatform, TallyStore, in_virtual_time, limit, run_to_end, settings,
};
use campaign_sync::platform::fuzzing::{Field, page, quota_signals, synced_at};
use criterion::Criterion;
use mock_platform::campaign;

/// As in the program, so that it is the same that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Campaigns of a page, of a run and of the limiter's load: enough that their beginning does not show.
const MANY: u64 = 500;

/// One of them, ready to be done as often as wanted.
struct Step {
    name: &'static str,
    work: Box<dyn Fn()>,
}

fn steps() -> Vec<Step> {
    let step = |name, work: Box<dyn Fn()>| Step { name, work };
    let entries: Vec<String> =
        (1..=MANY).map(|number| serde_json::to_string(&campaign(1, number)).expect("it is JSON")).collect();
    let listed = format!(
        r#"{{"data":[{}],"pagination":{{"page":1,"has_more":true,"total":100000}}}}"#,
        entries.join(",")
    );
    let confirmed = r#"{"success":true,"campaign_id":"camp_000001","synced_at":"2026-01-02T03:04:05.678Z"}"#;
    let head: [Field<'static>; 4] = [
        (b"content-type", b"application/json"),
        (b"date", b"Sun, 06 Nov 1994 08:49:37 GMT"),
        (b"ratelimit-policy", b"\"default\";q=100;w=60"),
        (b"ratelimit", b"\"default\";r=50;t=30"),
    ];
    vec![
        step(
            "a page of 500 campaigns is read",
            Box::new(move || {
                let page = page(black_box(listed.as_bytes())).expect("it is one");
                assert_eq!(page.entries.len() as u64, MANY);
            }),
        ),
        step(
            "a confirmation is read",
            Box::new(move || {
                synced_at(black_box(confirmed.as_bytes()), &"camp_000001".into()).expect("it is one");
            }),
        ),
        step(
            "the head of an answer is read",
            Box::new(move || assert!(!quota_signals(black_box(&head)).is_empty())),
        ),
        step(
            "500 permits are handed out",
            Box::new(|| {
                let load =
                    LimiterLoad { workers: 16, requests: MANY as u32, latency: Duration::from_millis(5) };
                in_virtual_time(async { drop(load.under(&[limit(1_000, Duration::from_secs(1))]).await) });
            }),
        ),
        step(
            "500 campaigns go through the actors",
            Box::new(|| {
                let settings = PipelineSettings {
                    concurrency: Concurrency::new(16).expect("it is in range"),
                    ..settings()
                };
                let platform = Rc::new(ScriptedPlatform::obliging(MANY));
                let store = Rc::new(TallyStore::for_campaigns(MANY));
                let report = in_virtual_time(run_to_end(settings, &platform, &store));
                assert_eq!(report.campaigns.stored, MANY);
            }),
        ),
    ]
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--names"] => steps().iter().for_each(|step| {
            use std::io::Write as _;
            let _ = writeln!(std::io::stdout(), "{}", step.name);
        }),
        // For who counts instructions: the step so often, and nothing else.
        ["--only", name, times] => {
            let step =
                steps().into_iter().find(|step| step.name == name).expect("--names says which there are");
            (0..times.parse::<u64>().expect("a number")).for_each(|_| (step.work)());
        }
        _ => {
            let mut criterion = Criterion::default().configure_from_args();
            for Step { name, work } in steps() {
                criterion.bench_function(name, |bencher| bencher.iter(&work));
            }
            criterion.final_summary();
        }
    }
}
