//! Each kind of actor panics, once and for ever, in the middle of a run.

use std::rc::Rc;
use std::time::Duration;

use actors::permit::Endpoint;
use actors::report::{AccountReport, ProblemClass, RestartCounts, Status};
use actors::settings::PipelineSettings;
use actors::testing::{
    Call, CommitFault, MemoryStore, Play, ScriptedPlatform, in_virtual_time, limit, run_to_end,
    run_with_limiter_panics, settings,
};

const CAMPAIGNS: u64 = 100;

fn panicking(script: impl Fn(&Call) -> bool + 'static) -> ScriptedPlatform {
    ScriptedPlatform::obliging(CAMPAIGNS)
        .playing(move |call| if script(call) { Play::Panic } else { Play::Well })
}

fn run(
    platform: ScriptedPlatform,
    store: MemoryStore,
    limiter_panics: Vec<Duration>,
) -> (AccountReport, Rc<MemoryStore>) {
    let (platform, store) = (Rc::new(platform), Rc::new(store));
    let report = in_virtual_time(async {
        if limiter_panics.is_empty() {
            run_to_end(settings(), &platform, &store).await
        } else {
            run_with_limiter_panics(settings(), &platform, &store, limiter_panics).await
        }
    });
    assert_eq!((Rc::strong_count(&platform), Rc::strong_count(&store)), (1, 1), "nothing is left running");
    assert_eq!(report.campaigns.stored, store.rows().len() as u64);
    (report, store)
}

fn survives(
    platform: ScriptedPlatform,
    store: MemoryStore,
    limiter_panics: Vec<Duration>,
    restarts: RestartCounts,
) {
    let (report, store) = run(platform, store, limiter_panics);
    assert_eq!((report.status, report.campaigns.stored), (Status::Complete, CAMPAIGNS));
    assert_eq!(report.restarts, restarts);
    assert_eq!(store.rows().len() as u64, CAMPAIGNS);
    assert_eq!(report.problems, []);
}

fn gives_up(
    platform: ScriptedPlatform,
    store: MemoryStore,
    limiter_panics: Vec<Duration>,
    actor: &str,
    cause: &str,
) {
    let (report, _) = run(platform, store, limiter_panics);
    assert_eq!(report.status, Status::Failed);
    let problem = &report.problems[0];
    assert_eq!(problem.class, ProblemClass::RestartIntensityExceeded);
    assert!(problem.message.contains(actor) && problem.message.contains(cause), "{}", problem.message);
    assert!(report.duration < Duration::from_secs(30), "{:?}", report.duration);
}

#[test]
fn the_auth_actor_panics_once_and_nobody_who_waits_for_a_token_is_lost() {
    let restarts = RestartCounts { auth: 1, ..RestartCounts::default() };
    let first = panicking(|call| call.endpoint == Endpoint::Auth && call.number == 0);
    survives(first, MemoryStore::default(), vec![], restarts);
    // In mid-run, with all sync actors waiting for the new token.
    let renewal = ScriptedPlatform::obliging(CAMPAIGNS).playing(|call| {
        match (call.endpoint, call.number, call.token) {
            (Endpoint::Auth, 1, _) => Play::Panic,
            (Endpoint::Sync, 40.., 1) => Play::Unauthorized,
            _ => Play::Well,
        }
    });
    survives(renewal, MemoryStore::default(), vec![], restarts);
}

#[test]
fn the_pager_actor_panics_once_and_no_page_is_skipped() {
    let platform = panicking(|call| call.endpoint == Endpoint::List && call.number == 4);
    survives(
        platform,
        MemoryStore::default(),
        vec![],
        RestartCounts { pager: 1, ..RestartCounts::default() },
    );
}

#[test]
fn a_sync_actor_panics_once_and_its_campaign_goes_to_another() {
    let platform = panicking(|call| call.endpoint == Endpoint::Sync && call.number == 40);
    survives(platform, MemoryStore::default(), vec![], RestartCounts { sync: 1, ..RestartCounts::default() });
}

#[test]
fn the_store_actor_panics_once_before_or_after_its_commit_and_no_row_is_lost() {
    for fault in [CommitFault::PanicBefore, CommitFault::PanicAfter] {
        let store =
            MemoryStore::failing(move |number| if number == 1 { fault.clone() } else { CommitFault::None });
        let restarts = RestartCounts { store: 1, ..RestartCounts::default() };
        survives(ScriptedPlatform::obliging(CAMPAIGNS), store, vec![], restarts);
    }
}

#[test]
fn the_rate_limiter_panics_once_and_who_waits_for_a_permit_gets_it() {
    let platform = ScriptedPlatform::obliging(CAMPAIGNS);
    let restarts = RestartCounts { rate_limiter: 1, ..RestartCounts::default() };
    survives(platform, MemoryStore::default(), vec![Duration::from_millis(300)], restarts);
}

#[test]
fn the_auth_actor_panics_for_ever_and_the_run_fails_by_its_name() {
    let platform = panicking(|call| call.endpoint == Endpoint::Auth);
    gives_up(platform, MemoryStore::default(), vec![], "AuthActor", "the script says so: Auth");
}

#[test]
fn the_pager_actor_panics_for_ever_and_the_run_fails_by_its_name() {
    let platform = panicking(|call| call.endpoint == Endpoint::List && call.subject > 3);
    gives_up(platform, MemoryStore::default(), vec![], "PagerActor", "the script says so: List");
}

#[test]
fn all_sync_actors_panic_for_ever_and_the_run_fails_by_their_name() {
    let platform = panicking(|call| call.endpoint == Endpoint::Sync);
    gives_up(platform, MemoryStore::default(), vec![], "SyncActor", "the script says so: Sync");
}

#[test]
fn the_store_actor_panics_for_ever_and_the_run_fails_by_its_name() {
    let store = MemoryStore::failing(|_| CommitFault::PanicBefore);
    gives_up(
        ScriptedPlatform::obliging(CAMPAIGNS),
        store,
        vec![],
        "StoreActor",
        "the script says so: commit",
    );
}

#[test]
fn an_actor_that_panics_for_ever_ends_the_run_also_where_a_slow_limit_lets_it_panic_rarely() {
    let platform = Rc::new(panicking(|call| call.endpoint == Endpoint::List));
    let store = Rc::new(MemoryStore::default());
    let settings = PipelineSettings { rate_limits: vec![limit(5, Duration::from_secs(60))], ..settings() };
    let report = in_virtual_time(run_to_end(settings, &platform, &store));
    assert_eq!((report.status, report.restarts.pager), (Status::Failed, 20));
    assert!(report.duration < Duration::from_secs(600), "{:?}", report.duration);
}

#[test]
fn a_limiter_that_gave_up_has_not_forgotten_what_was_sent() {
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(100_000)), Rc::new(MemoryStore::default()));
    let panics = (1..100).map(|n| Duration::from_millis(n * 50)).collect();
    let report = in_virtual_time(run_with_limiter_panics(settings(), &platform, &store, panics));
    // But for those that it had let through when it went.
    let missing = platform.calls().len() as u64 - report.requests.total;
    assert!(missing <= 9, "{missing} requests are missing");
    assert!(report.requests.sync + 9 >= report.campaigns.stored && report.campaigns.stored > 0, "{report:?}");
}

#[test]
fn the_rate_limiter_panics_for_ever_and_the_run_fails_by_its_name() {
    let platform = ScriptedPlatform::obliging(100_000);
    let panics = (1..100).map(|n| Duration::from_millis(n * 50)).collect();
    gives_up(platform, MemoryStore::default(), panics, "RateLimiter", "the test told it to");
}
