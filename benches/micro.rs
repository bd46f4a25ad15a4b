//! `cargo bench --bench micro`: the steps that a profile of the whole names, each on its own. criterion measures their time;
//! `benches/micro/compare` counts their instructions, which a busy machine does not change, of two commits.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix_rt::System;
use actors::model::{AccessToken, IdempotencyKey, Listed};
use actors::permit::Permit;
use actors::ports::Platform;
use actors::settings::{Concurrency, PipelineSettings};
use actors::testing::{
    LimiterLoad, ScriptedPlatform, TallyStore, in_virtual_time, limit, run_to_end, settings,
};
use campaign_sync::platform::fuzzing::{Field, page, quota_signals, synced_at};
use campaign_sync::platform::{Connections, HttpPlatform, PlatformSettings};
use campaign_sync::rotating_secret::RotatingSecret;
use criterion::Criterion;
use mock_platform::{EMAIL, PASSWORD, campaign};
use secrecy::SecretString;
use uuid::Uuid;

/// As in the program, so that it is the same that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Campaigns of a page, of a run and of the limiter's load: enough that their beginning does not show.
const MANY: u64 = 500;

/// A good answer to the sync of the first campaign.
const CONFIRMED: &str =
    r#"{"success":true,"campaign_id":"camp_000001","synced_at":"2026-01-02T03:04:05.678Z"}"#;

/// One of them, ready to be done as often as wanted.
struct Step {
    name: &'static str,
    work: Box<dyn Fn()>,
}

fn steps() -> Vec<Step> {
    let step = |name, work: Box<dyn Fn()>| Step { name, work };
    let listed = a_page(MANY);
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
                synced_at(black_box(CONFIRMED.as_bytes()), &"camp_000001".into()).expect("it is one");
            }),
        ),
        step(
            "the head of an answer is read",
            Box::new(move || assert!(!quota_signals(black_box(&head)).is_empty())),
        ),
        step("a request is made and answered", a_request()),
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

/// The sync of a campaign over real HTTP; whoever answers has its answer ready.
fn a_request() -> Box<dyn Fn()> {
    let system = System::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let base_url = format!("http://{}", listener.local_addr().expect("it is bound"));
    // It ends with its only connection.
    std::thread::spawn(move || answer_all(&listener));
    let platform = PlatformSettings {
        base_url: base_url.parse().expect("it is a URL"),
        account: "default".into(),
        email: EMAIL.to_owned(),
        password: RotatingSecret::from(SecretString::from(PASSWORD)),
        request_timeout: Duration::from_secs(30),
    };
    let platform = HttpPlatform::new(platform, &Connections::plain(1).expect("it needs nothing"));
    let platform = platform.expect("its settings are right");
    let listed = page(a_page(1).as_bytes()).expect("it is one").entries.pop();
    let Some(Listed::Campaign(campaign)) = listed else { panic!("it holds a campaign") };
    let token = AccessToken { secret: SecretString::from("t".repeat(64)), generation: 1 };
    let key = IdempotencyKey::new(Uuid::nil(), &campaign.id);
    Box::new(move || {
        let answer = system.block_on(platform.sync(Permit::for_test(), &token, &campaign, &key));
        answer.expect("it is what was promised");
    })
}

fn answer_all(listener: &TcpListener) {
    let Ok((mut connection, _)) = listener.accept() else { return };
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{CONFIRMED}",
        CONFIRMED.len()
    );
    let mut request = [0; 4096];
    // Head and body come together.
    while connection.read(&mut request).is_ok_and(|bytes| bytes > 0) {
        if connection.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A page of so many campaigns.
fn a_page(campaigns: u64) -> String {
    let entries: Vec<String> = (1..=campaigns)
        .map(|number| serde_json::to_string(&campaign(1, number)).expect("it is JSON"))
        .collect();
    format!(r#"{{"data":[{}],"pagination":{{"page":1,"has_more":true,"total":100000}}}}"#, entries.join(","))
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
