//! The pipeline as a whole, on fakes, in virtual time.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use actors::model::{FailureClass, Listed, Page, PageRequest};
use actors::permit::Endpoint;
use actors::report::{AccountReport, ProblemClass, Status};
use actors::retry_policy::RetryPolicy;
use actors::settings::{BatchLimits, Concurrency, PipelineSettings};
use actors::testing::{
    CommitFault, MemoryStore, Play, ScriptedPlatform, campaign_id, honest_page, in_virtual_time, run_to_end,
    settings,
};
use tokio::time::Instant;

/// Runs, checks that every campaign that was listed is in exactly one place, and that nothing is left running.
fn run(
    settings: PipelineSettings,
    platform: ScriptedPlatform,
    store: MemoryStore,
) -> (AccountReport, Rc<ScriptedPlatform>, Rc<MemoryStore>) {
    let (platform, store) = (Rc::new(platform), Rc::new(store));
    let (report, owners) = in_virtual_time(async {
        let report = run_to_end(settings, &platform, &store).await;
        // While the runtime still lives, and with it whatever was left running.
        (report, (Rc::strong_count(&platform), Rc::strong_count(&store)))
    });
    assert_eq!(owners, (1, 1), "no actor is left running");
    assert!(platform.most_keys_of_one_campaign() <= 1, "the key of a campaign stays the same");
    let counts = report.campaigns;
    assert_eq!(counts.stored, store.rows().len() as u64, "what is reported as stored is stored");
    assert_eq!(counts.dead_lettered, store.dead_letters().len() as u64);
    assert_eq!(store.finished(), std::slice::from_ref(&report), "the report is kept");
    (report, platform, store)
}

fn problems(report: &AccountReport) -> Vec<ProblemClass> {
    report.problems.iter().map(|problem| problem.class).collect()
}

#[test]
fn every_campaign_of_an_honest_platform_is_synced_once_and_stored() {
    let (report, platform, store) = run(settings(), ScriptedPlatform::obliging(100), MemoryStore::default());
    assert_eq!(report.status, Status::Complete);
    assert_eq!(report.problems, []);
    assert_eq!(
        (report.campaigns.listed, report.campaigns.distinct, report.campaigns.stored),
        (100, 100, 100)
    );
    assert_eq!(report.campaigns.reported_total, Some(100));
    assert_eq!((report.requests.auth, report.requests.list, report.requests.sync), (1, 10, 100));
    assert_eq!((report.requests.total, report.requests.retried), (111, 0));
    assert_eq!(platform.synced().len(), 100);
    assert!(platform.synced().values().all(|times| *times == 1));
    assert!((0..100).all(|number| store.rows().contains_key(&campaign_id(number))));
}

#[test]
fn an_account_without_campaigns_is_complete() {
    let (report, _, store) = run(settings(), ScriptedPlatform::obliging(0), MemoryStore::default());
    assert_eq!((report.status, report.campaigns.listed), (Status::Complete, 0));
    assert!(store.rows().is_empty());
}

#[test]
fn no_more_requests_are_in_flight_than_there_are_sync_actors_and_a_pager() {
    let one = PipelineSettings { concurrency: Concurrency::new(1).expect("in range"), ..settings() };
    let (_, platform, _) = run(one, ScriptedPlatform::obliging(40), MemoryStore::default());
    assert!(platform.most_in_flight() <= 2);
    let (_, platform, _) = run(settings(), ScriptedPlatform::obliging(200), MemoryStore::default());
    assert!(
        (8..=9).contains(&platform.most_in_flight()),
        "all sync actors work: {}",
        platform.most_in_flight()
    );
}

/// When each page is asked for, by how many syncs were begun until then, and the makespan.
fn pages(sync_actors: usize, syncs: Duration, pages: Duration) -> (Vec<usize>, Duration) {
    let settings = PipelineSettings {
        concurrency: Concurrency::new(sync_actors).expect("in range"),
        page_size: NonZeroU32::new(200).expect("not zero"),
        batch: BatchLimits::new(500, Duration::from_millis(20)).expect("in range"),
        ..settings()
    };
    let platform = ScriptedPlatform::obliging(2_000).answering_within(syncs..=syncs).listing_within(pages);
    let (report, platform, _) = run(settings, platform, MemoryStore::default());
    assert_eq!(report.status, Status::Complete);
    let calls = platform.calls();
    let asked = (0..calls.len()).filter(|at| calls[*at].endpoint == Endpoint::List);
    let begun = |at| calls[..at].iter().filter(|call| call.endpoint == Endpoint::Sync).count();
    (asked.map(begun).collect(), platform.makespan())
}

#[test]
fn where_syncs_are_quick_pages_come_in_time_and_never_two_ahead() {
    // 2,000 syncs by 4 at a time take a second, and ten pages, each asked for when 16 are left, 0.6 s more.
    let (asked, makespan) = pages(4, Duration::from_millis(2), Duration::from_millis(80));
    assert!(makespan < Duration::from_millis(1_350), "{makespan:?}");
    for (page, begun) in asked.into_iter().enumerate() {
        assert!(200 * page <= begun + 2 * 200, "page {page} after {begun} syncs");
    }
}

#[test]
fn where_syncs_take_their_time_a_page_is_asked_for_when_few_are_left() {
    let (asked, _) = pages(4, Duration::from_millis(50), Duration::from_millis(50));
    for (page, begun) in asked.into_iter().enumerate().skip(1) {
        assert!(200 * page <= begun + 4 * 4 + 4, "page {page} after {begun} syncs");
    }
}

#[test]
fn pages_are_asked_for_only_as_fast_as_the_store_takes_rows() {
    let stuck = MemoryStore::failing(|_| CommitFault::Unavailable);
    let settings =
        PipelineSettings { batch: BatchLimits::new(20, Duration::ZERO).expect("in range"), ..settings() };
    let (report, platform, _) = run(settings, ScriptedPlatform::obliging(100_000), stuck);
    assert_eq!(report.status, Status::Failed);
    assert_eq!(problems(&report), [ProblemClass::StoreFailed, ProblemClass::LeftToDo]);
    assert!(report.problems[0].message.contains("the database is away"), "{}", report.problems[0].message);
    let (listed, synced) = (report.requests.list, platform.synced().len());
    assert!(listed <= 10, "{listed} pages although nothing could be stored");
    assert!(synced <= 3 * 20 + 8, "{synced} syncs although nothing could be stored");
}

#[test]
fn a_fifth_of_503s_and_some_requests_that_are_never_answered_lose_nothing() {
    let platform =
        ScriptedPlatform::obliging(100).playing(|call| match (call.number % 5, call.number % 17) {
            (0, _) => Play::Unavailable,
            (_, 3) => Play::Hang,
            _ => Play::Well,
        });
    let (report, platform, _) = run(settings(), platform, MemoryStore::default());
    assert_eq!((report.status, report.campaigns.stored), (Status::Complete, 100));
    assert_eq!(report.requests.retried, report.requests.total - 111);
    assert!(report.requests.timed_out > 0);
    assert!(platform.synced().values().all(|times| *times == 1));
}

#[test]
fn a_campaign_that_always_fails_becomes_a_dead_letter_after_its_attempts_and_costs_no_other() {
    let platform = ScriptedPlatform::obliging(30).playing(|call| match (call.endpoint, call.subject) {
        (Endpoint::Sync, 7) => Play::Unavailable,
        (Endpoint::Sync, 8) => Play::Reject,
        (Endpoint::Sync, 9) => Play::Hang,
        _ => Play::Well,
    });
    let (report, _, store) = run(settings(), platform, MemoryStore::default());
    assert_eq!(report.status, Status::Partial);
    assert_eq!(problems(&report), [ProblemClass::DeadLetters]);
    assert_eq!((report.campaigns.stored, report.campaigns.dead_lettered), (27, 3));
    let letters = store.dead_letters();
    let letter = |number| &letters[&campaign_id(number)];
    assert_eq!((letter(7).class, letter(7).attempts), (FailureClass::Unavailable, 8));
    assert_eq!((letter(8).class, letter(8).attempts), (FailureClass::Rejected, 1));
    assert_eq!((letter(9).class, letter(9).attempts), (FailureClass::Timeout, 8));
    assert_eq!(letter(7).message, "it said 503");
}

#[test]
fn a_campaign_that_panics_twice_is_a_dead_letter_and_one_that_panics_once_is_stored() {
    let platform =
        ScriptedPlatform::obliging(30).playing(|call| match (call.endpoint, call.subject, call.repeat) {
            (Endpoint::Sync, 4, _) | (Endpoint::Sync, 5, 0) => Play::Panic,
            _ => Play::Well,
        });
    let (report, platform, store) = run(settings(), platform, MemoryStore::default());
    assert_eq!((report.status, report.restarts.sync), (Status::Partial, 3));
    let letter = &store.dead_letters()[&campaign_id(4)];
    assert_eq!((letter.class, letter.attempts), (FailureClass::Panicked, 2));
    assert!(letter.message.contains("the script says so: Sync of 4"), "{}", letter.message);
    assert_eq!(platform.synced().get(&5), Some(&1));
    assert_eq!(report.campaigns.stored, 29);
}

#[test]
fn a_401_in_mid_run_costs_one_login_however_many_requests_it_meets() {
    let platform = ScriptedPlatform::obliging(60).playing(|call| match call.endpoint {
        Endpoint::Sync if call.number > 20 && call.token == 1 => Play::Unauthorized,
        _ => Play::Well,
    });
    let (report, _, _) = run(settings(), platform, MemoryStore::default());
    assert_eq!((report.status, report.campaigns.stored), (Status::Complete, 60));
    assert_eq!(report.requests.auth, 2);
    assert!((1..=8).contains(&report.requests.unauthorized), "{}", report.requests.unauthorized);
}

#[test]
fn a_token_is_renewed_before_it_expires_so_that_no_request_gets_a_401() {
    let one = PipelineSettings { concurrency: Concurrency::new(1).expect("in range"), ..settings() };
    let platform = ScriptedPlatform::obliging(100).token_life(Duration::from_secs(1));
    let (report, platform, _) = run(one, platform, MemoryStore::default());
    assert_eq!((report.status, report.requests.unauthorized), (Status::Complete, 0));
    // 110 requests of 50 ms are 5.5 s, with a new token about every 0.9 s.
    assert!((6..=7).contains(&report.requests.auth), "{} logins", report.requests.auth);
    assert!(platform.calls().iter().all(|call| call.endpoint == Endpoint::Auth || call.token > 0));
}

#[test]
fn refused_credentials_end_the_run_after_one_login() {
    let platform = ScriptedPlatform::obliging(60).playing(|call| match call.endpoint {
        Endpoint::Auth => Play::Unauthorized,
        _ => Play::Well,
    });
    let (report, _, _) = run(settings(), platform, MemoryStore::default());
    assert_eq!(report.status, Status::Failed);
    assert_eq!(problems(&report), [ProblemClass::CredentialsRefused]);
    assert!(report.problems[0].message.contains("refused the credentials"));
    assert_eq!(report.requests.total, 1);
}

#[test]
fn a_failing_login_is_retried_and_given_up_after_its_attempts() {
    let recovering = |call: &actors::testing::Call| match (call.endpoint, call.number) {
        (Endpoint::Auth, 0..5) => Play::Unavailable,
        _ => Play::Well,
    };
    let (report, ..) =
        run(settings(), ScriptedPlatform::obliging(10).playing(recovering), MemoryStore::default());
    assert_eq!((report.status, report.requests.auth), (Status::Complete, 6));
    let failing = |call: &actors::testing::Call| match call.endpoint {
        Endpoint::Auth => Play::Hang,
        _ => Play::Well,
    };
    let (report, ..) =
        run(settings(), ScriptedPlatform::obliging(10).playing(failing), MemoryStore::default());
    assert_eq!((report.status, report.requests.auth), (Status::Failed, 8));
    assert_eq!(problems(&report), [ProblemClass::LoginFailed]);
}

#[test]
fn a_page_that_repeats_for_ever_ends_partial_with_both_numbers() {
    let platform = ScriptedPlatform::obliging(0).listing(|mut request| {
        request.page = request.page.min(3);
        Page { has_more: true, ..honest_page(100, request) }
    });
    let (report, _, _) = run(settings(), platform, MemoryStore::default());
    assert_eq!(report.status, Status::Partial);
    assert_eq!(problems(&report), [ProblemClass::ListingIncomplete]);
    let message = &report.problems[0].message;
    assert!(message.contains("100") && message.contains("30"), "{message}");
    assert_eq!(report.campaigns.stored, 30);
    assert!(report.requests.list < 20, "{} pages", report.requests.list);
}

#[test]
fn has_more_false_before_the_total_is_not_believed_and_nothing_is_lost() {
    let platform = ScriptedPlatform::obliging(0).listing(|request| {
        let lies = request.page == 3;
        let page = honest_page(100, request);
        Page { has_more: page.has_more && !lies, ..page }
    });
    let (report, _, _) = run(settings(), platform, MemoryStore::default());
    assert_eq!((report.status, report.campaigns.stored), (Status::Complete, 100));
}

#[test]
fn campaigns_that_shift_between_pages_are_found_by_a_second_pass() {
    let asked = Cell::new(0);
    let platform = ScriptedPlatform::obliging(0).listing(move |request| {
        asked.set(asked.get() + 1);
        // Between the third request and the fourth, one campaign moves to the front: another falls between
        // two pages, and one stands on both.
        let mut page = honest_page(50, request);
        if (4..=5).contains(&asked.get()) {
            let before = honest_page(50, PageRequest { page: request.page - 1, ..request });
            page.entries.pop();
            page.entries.insert(0, before.entries[9].clone());
        }
        page
    });
    let (report, platform, _) = run(settings(), platform, MemoryStore::default());
    assert_eq!((report.status, report.campaigns.stored), (Status::Complete, 50));
    assert!(report.campaigns.listed > 50);
    assert!(platform.synced().values().all(|times| *times == 1));
}

#[test]
fn a_campaign_that_slips_to_an_earlier_page_because_another_was_deleted_is_found() {
    let asked = Cell::new(0);
    let platform = ScriptedPlatform::obliging(0).listing(move |request| {
        asked.set(asked.get() + 1);
        let all = honest_page(50, PageRequest { page: 1, limit: NonZeroU32::new(50).expect("not zero") });
        // After the first page, the platform loses its first campaign: all others move up by one.
        let gone = usize::from(asked.get() > 1);
        let left: Vec<_> = all.entries.into_iter().skip(gone).collect();
        let page = left.chunks(10).nth(request.page as usize - 1).unwrap_or_default().to_vec();
        Page {
            entries: page,
            has_more: (request.page as usize) * 10 < left.len(),
            total: Some(left.len() as u64),
        }
    });
    let (report, platform, _) = run(settings(), platform, MemoryStore::default());
    assert_eq!((report.status, report.campaigns.stored), (Status::Complete, 50));
    assert!(platform.synced().contains_key(&10), "it slipped from the second page to the first");
}

/// The listing in which the tenth campaign stands on the second page too, and the eleventh nowhere.
fn with_one_doubled(campaigns: u64, request: PageRequest) -> Page {
    let mut page = honest_page(campaigns, request);
    if request.page == 2 {
        page.entries[0] = honest_page(campaigns, PageRequest { page: 1, ..request }).entries[9].clone();
    }
    page
}

#[test]
fn a_campaign_that_is_committed_while_it_is_listed_again_is_not_taken_for_another() {
    for lookup in [0, 5, 20, 60, 100, 200] {
        let platform = ScriptedPlatform::obliging(0).listing(|request| with_one_doubled(50, request));
        let store = MemoryStore::looking_up_in(Duration::from_millis(lookup));
        let settings =
            PipelineSettings { batch: BatchLimits::new(50, Duration::ZERO).expect("in range"), ..settings() };
        let (report, platform, _) = run(settings, platform, store);
        assert_eq!(
            (report.status, report.campaigns.stored),
            (Status::Partial, 49),
            "looked up in {lookup} ms"
        );
        assert!(platform.synced().values().all(|times| *times == 1));
    }
}

#[test]
fn a_second_pass_that_shows_one_campaign_twice_is_not_taken_for_complete() {
    let asked = Cell::new(0);
    let platform = ScriptedPlatform::obliging(0).listing(move |request| {
        asked.set(asked.get() + 1);
        with_one_doubled(if asked.get() == 1 { 40 } else { 41 }, request)
    });
    let (report, ..) = run(settings(), platform, MemoryStore::default());
    assert_eq!((report.status, report.campaigns.stored), (Status::Partial, 40));
}

#[test]
fn an_empty_listing_that_says_that_there_are_campaigns_is_partial() {
    let platform =
        ScriptedPlatform::obliging(0).listing(|request| Page { total: Some(5), ..honest_page(0, request) });
    let (report, ..) = run(settings(), platform, MemoryStore::default());
    assert_eq!((report.status, problems(&report)), (Status::Partial, vec![ProblemClass::ListingIncomplete]));
}

#[test]
fn entries_that_are_no_campaigns_are_taken_in_only_as_fast_as_they_are_stored() {
    let platform = ScriptedPlatform::obliging(0).listing(|request| {
        let malformed = |number: u32| Listed::Malformed {
            id: format!("{}-{number}", request.page).into(),
            message: "no campaign".into(),
            payload: "{}".into(),
        };
        Page {
            entries: (0..request.limit.get()).map(malformed).collect(),
            has_more: true,
            total: Some(1_000_000),
        }
    });
    let settings =
        PipelineSettings { batch: BatchLimits::new(20, Duration::ZERO).expect("in range"), ..settings() };
    let (report, ..) = run(settings, platform, MemoryStore::failing(|_| CommitFault::Unavailable));
    assert!(report.requests.list <= 7, "{} pages although nothing could be stored", report.requests.list);
}

#[test]
fn a_wrong_address_is_not_called_refused_credentials() {
    let platform = ScriptedPlatform::obliging(5).playing(|call| match call.endpoint {
        Endpoint::Auth => Play::Reject,
        _ => Play::Well,
    });
    let (report, ..) = run(settings(), platform, MemoryStore::default());
    assert_eq!((report.status, problems(&report)), (Status::Failed, vec![ProblemClass::LoginFailed]));
    assert_eq!(report.requests.total, 1);
}

#[test]
fn a_total_that_promises_too_much_or_too_little_is_partial() {
    for promised in [90, 110] {
        let platform = ScriptedPlatform::obliging(0)
            .listing(move |request| Page { total: Some(promised), ..honest_page(100, request) });
        let (report, _, _) = run(settings(), platform, MemoryStore::default());
        assert_eq!((report.status, report.campaigns.stored), (Status::Partial, 100), "promised {promised}");
        let message = &report.problems[0].message;
        assert!(message.contains(&promised.to_string()) && message.contains("100"), "{message}");
    }
}

#[test]
fn an_endless_listing_of_ever_new_campaigns_ends_in_bounded_time() {
    let platform = ScriptedPlatform::obliging(0).listing(|request| Page {
        total: Some(20),
        has_more: true,
        ..honest_page(1_000_000, request)
    });
    let (report, _, _) = run(settings(), platform, MemoryStore::default());
    assert_eq!(report.status, Status::Partial);
    assert!(report.campaigns.distinct < 1200, "{} campaigns", report.campaigns.distinct);
}

#[test]
fn a_page_that_cannot_be_had_ends_the_listing_and_what_was_listed_is_stored() {
    let platform = ScriptedPlatform::obliging(50).playing(|call| match (call.endpoint, call.subject) {
        (Endpoint::List, 3) => Play::Unavailable,
        _ => Play::Well,
    });
    let (report, _, _) = run(settings(), platform, MemoryStore::default());
    assert_eq!((report.status, report.campaigns.stored), (Status::Partial, 20));
    assert!(report.problems[0].message.contains("page 3 could not be had"), "{}", report.problems[0].message);
}

#[test]
fn without_the_first_page_the_run_has_failed() {
    let platform = ScriptedPlatform::obliging(50).playing(|call| match call.endpoint {
        Endpoint::List => Play::Reject,
        _ => Play::Well,
    });
    let (report, _, _) = run(settings(), platform, MemoryStore::default());
    assert_eq!((report.status, report.requests.list), (Status::Failed, 1));
    assert_eq!(problems(&report), [ProblemClass::ListingIncomplete]);
}

#[test]
fn a_row_that_the_database_refuses_is_a_dead_letter_and_the_others_of_its_batch_are_stored() {
    let poison = MemoryStore::refusing(|id| *id == campaign_id(13) || *id == campaign_id(14));
    let (report, _, store) = run(settings(), ScriptedPlatform::obliging(100), poison);
    assert_eq!((report.status, report.campaigns.stored), (Status::Partial, 98));
    assert_eq!(store.dead_letters()[&campaign_id(13)].class, FailureClass::Unstorable);
    assert_eq!(store.dead_letters()[&campaign_id(14)].message, "a value that cannot be stored");
}

#[test]
fn a_database_that_is_away_for_a_minute_is_waited_for() {
    let away = Cell::new(None);
    let store = MemoryStore::failing(move |_| {
        let since = away.get().unwrap_or_else(Instant::now);
        away.set(Some(since));
        if since.elapsed() < Duration::from_secs(60) { CommitFault::Unavailable } else { CommitFault::None }
    });
    let (report, _, _) = run(settings(), ScriptedPlatform::obliging(300), store);
    assert_eq!((report.status, report.campaigns.stored), (Status::Complete, 300));
    assert!(report.duration > Duration::from_secs(60));
}

#[test]
fn a_database_that_needs_someone_ends_the_run_with_its_cause() {
    let store =
        MemoryStore::failing(|number| if number == 1 { CommitFault::Broken } else { CommitFault::None });
    let (report, _, store) = run(settings(), ScriptedPlatform::obliging(300), store);
    assert_eq!(report.status, Status::Failed);
    assert_eq!(problems(&report)[0], ProblemClass::StoreFailed);
    assert!(report.problems[0].message.contains("the table is gone"));
    assert_eq!(report.campaigns.stored, store.rows().len() as u64);
}

#[test]
fn batches_are_full_where_there_is_much_and_linger_no_longer_than_allowed_where_there_is_little() {
    let (_, _, store) = run(settings(), ScriptedPlatform::obliging(400), MemoryStore::default());
    // 8 sync actors at 50 ms each are 32 campaigns in the 200 ms that a batch lingers.
    assert!(store.batches().iter().all(|size| *size <= 50), "{:?}", store.batches());
    assert!((8..=16).contains(&store.batches().len()), "{:?}", store.batches());
}

#[test]
fn two_runs_of_one_seed_make_the_same_calls() {
    let calls = || {
        let patient =
            RetryPolicy { max_attempts: NonZeroU32::new(20).expect("not zero"), ..RetryPolicy::default() };
        let settings = PipelineSettings { retry: patient, ..settings() };
        let platform = ScriptedPlatform::obliging(100)
            .answering_within(Duration::from_millis(1)..=Duration::from_secs(2))
            .playing(|call| if call.number % 3 == 0 { Play::Unavailable } else { Play::Well });
        let (report, platform, _) = run(settings, platform, MemoryStore::default());
        assert_eq!(report.status, Status::Complete);
        (platform.calls(), report.duration)
    };
    assert_eq!(calls(), calls());
}

#[test]
fn the_last_batch_does_not_linger() {
    let batch = BatchLimits::new(30, Duration::from_secs(60)).expect("in range");
    let settings = PipelineSettings { batch, ..settings() };
    let (report, _, store) = run(settings, ScriptedPlatform::obliging(100), MemoryStore::default());
    assert_eq!((report.status, store.batches()), (Status::Complete, vec![30, 30, 30, 10]));
    assert!(report.duration < Duration::from_secs(5), "{:?}", report.duration);
}
