//! `cargo bench --bench micro`: the steps that a profile of the whole names, each on its own. criterion measures their time;
//! `benches/micro/compare` counts their instructions, which a busy machine does not change, of two commits.

use std::hint::black_box;
use std::io::Write as _;
use std::rc::Rc;
use std::time::Duration;

use actors::settings::{Concurrency, PipelineSettings};
use actors::testing::{
    LimiterLoad, ScriptedPlatform, TallyStore, in_virtual_time, limit, run_to_end, settings,
};
use campaign_sync::platform::fuzzing::{Field, page, quota_signals, synced_at};
use criterion::Criterion;

#[path = "micro/commit.rs"]
mod commit;
#[path = "micro/request.rs"]
mod request;
#[path = "micro/wire.rs"]
mod wire;

/// As in the program, so that it is the same that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Campaigns of a page, of a run, of a batch and of the limiter's load: enough that their beginning does not show.
const MANY: u64 = 500;

/// Something that can be done as often as wanted.
type Work = Box<dyn Fn()>;

/// What a step is called, and how it is prepared.
type Step = (&'static str, fn() -> Work);

const STEPS: [Step; 7] = [
    ("a page of 500 campaigns is read", a_page_is_read),
    ("a confirmation is read", a_confirmation_is_read),
    ("the head of an answer is read", a_head_is_read),
    ("a request is made and answered", request::is_made_and_answered),
    ("500 permits are handed out", permits_are_handed_out),
    ("500 campaigns go through the actors", campaigns_go_through_the_actors),
    ("500 campaigns are committed", || commit::of_campaigns(MANY)),
];

fn a_page_is_read() -> Work {
    let listed = wire::a_page(MANY);
    Box::new(move || {
        let page = page(black_box(listed.as_bytes())).expect("it is one");
        assert_eq!(page.entries.len() as u64, MANY);
    })
}

fn a_confirmation_is_read() -> Work {
    let id = wire::first_campaign().id.clone();
    Box::new(move || {
        synced_at(black_box(wire::CONFIRMED.as_bytes()), &id).expect("it is one");
    })
}

fn a_head_is_read() -> Work {
    let head: [Field<'static>; 4] = [
        (b"content-type", b"application/json"),
        (b"date", b"Sun, 06 Nov 1994 08:49:37 GMT"),
        (b"ratelimit-policy", b"\"default\";q=100;w=60"),
        (b"ratelimit", b"\"default\";r=50;t=30"),
    ];
    Box::new(move || assert!(!quota_signals(black_box(&head)).is_empty()))
}

fn permits_are_handed_out() -> Work {
    Box::new(|| {
        let load = LimiterLoad { workers: 16, requests: MANY as u32, latency: Duration::from_millis(5) };
        in_virtual_time(async { drop(load.under(&[limit(1_000, Duration::from_secs(1))]).await) });
    })
}

fn campaigns_go_through_the_actors() -> Work {
    Box::new(|| {
        let settings =
            PipelineSettings { concurrency: Concurrency::new(16).expect("it is in range"), ..settings() };
        let platform = Rc::new(ScriptedPlatform::obliging(MANY));
        let store = Rc::new(TallyStore::for_campaigns(MANY));
        let report = in_virtual_time(run_to_end(settings, &platform, &store));
        assert_eq!(report.campaigns.stored, MANY);
    })
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--names"] => STEPS.iter().for_each(|(name, _)| {
            let _ = writeln!(std::io::stdout(), "{name}");
        }),
        // For who counts instructions: the step so often, and nothing else.
        ["--only", wanted, times] => {
            let step = STEPS.iter().find(|(name, _)| *name == wanted);
            let (_, prepare) = step.expect("--names says which there are");
            let work = prepare();
            (0..times.parse::<u64>().expect("a number")).for_each(|_| work());
        }
        _ => {
            let mut criterion = Criterion::default().configure_from_args();
            for (name, prepare) in STEPS {
                let work = prepare();
                criterion.bench_function(name, |bencher| bencher.iter(&work));
            }
            criterion.final_summary();
        }
    }
}
