//! A run against each way in which a platform misbehaves, at a fifth of the requests: the real client and the real
//! pipeline, over real HTTP, into a store in memory. Whatever the platform does, the run ends, no request outlives its
//! bound, every campaign is stored once or a dead letter with its reason, and the report says which.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actors::model::{
    AccessToken, Campaign, CampaignId, DeadLetter, FailureClass, IdempotencyKey, Login, Page, PageRequest,
    SyncedCampaign,
};
use actors::permit::Permit;
use actors::ports::{Platform, PlatformError};
use actors::report::{AccountReport, ProblemClass, RestartCounts, Status};
use actors::settings::{PipelineSettings, RateLimit};
use actors::testing::{MemoryStore, limit, run_to_end, settings};
use campaign_sync::platform::{Connections, HttpPlatform, PlatformSettings};
use mock_platform::{EMAIL, Fault, MockPlatform, PASSWORD, Settings, Stats, campaign};
use tokio::time::timeout;

const CAMPAIGNS: u64 = 45;
const FIFTH: f64 = 0.2;
/// Seeds with which the fifth of the logins that is struck comes soon enough.
const STRUCK_AT_ITS_FIRST_LOGIN: u64 = 10;
const STRUCK_AT_ITS_THIRD_LOGIN_AND_THREE_MORE: u64 = 138;
/// Of one attempt. What the platform answers at all, it answers in a few milliseconds.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(300);
/// A request that takes as long as this has outlived its bound, however slow the machine is.
const OVERDUE: Duration = Duration::from_secs(10);
/// A run that takes as long as this hangs.
const HUNG: Duration = Duration::from_secs(60);

/// The real client, and a witness of calls that do not come back.
struct Watched {
    client: HttpPlatform,
    overdue: Cell<u64>,
}

impl Watched {
    async fn watch<T>(
        &self,
        call: impl Future<Output = Result<T, PlatformError>>,
    ) -> Result<T, PlatformError> {
        timeout(OVERDUE, call).await.unwrap_or_else(|_| {
            self.overdue.set(self.overdue.get() + 1);
            Err(PlatformError::Rejected { message: "it did not come back".to_owned() })
        })
    }
}

impl Platform for Watched {
    async fn login(&self, permit: Permit) -> Result<Login, PlatformError> {
        self.watch(self.client.login(permit)).await
    }

    async fn list(
        &self,
        permit: Permit,
        token: &AccessToken,
        page: PageRequest,
    ) -> Result<Page, PlatformError> {
        self.watch(self.client.list(permit, token, page)).await
    }

    async fn sync(
        &self,
        permit: Permit,
        token: &AccessToken,
        campaign: &Arc<Campaign>,
        key: &IdempotencyKey,
    ) -> Result<SyncedCampaign, PlatformError> {
        self.watch(self.client.sync(permit, token, campaign, key)).await
    }
}

/// What a run came to, and what the platform saw of it.
struct Ran {
    what: String,
    report: AccountReport,
    rows: HashMap<CampaignId, SyncedCampaign>,
    dead_letters: HashMap<CampaignId, DeadLetter>,
    /// Campaigns in all batches that were committed.
    committed: usize,
    overdue: u64,
    seen: Stats,
}

/// A run against a platform with these faults, with a limit that it hardly feels.
async fn run(faults: &[(Fault, f64)], seed: u64) -> Ran {
    run_limited(faults, seed, limit(200, Duration::from_secs(1))).await
}

async fn run_limited(faults: &[(Fault, f64)], seed: u64, rate_limit: RateLimit) -> Ran {
    let mock = Settings {
        campaigns: CAMPAIGNS,
        seed,
        rate_limits: vec![],
        list_error_every: None,
        sync_latency: Duration::ZERO,
        faults: faults.to_vec(),
        ..Settings::default()
    };
    let mock = MockPlatform::start(mock, SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let settings =
        PipelineSettings { request_timeout: REQUEST_TIMEOUT, rate_limits: vec![rate_limit], ..settings() };
    let connections = Connections::plain(settings.concurrency.get() + 2).expect("nothing is sent yet");
    let platform = PlatformSettings {
        base_url: mock.url().parse().expect("the mock platform's URL is one"),
        account: settings.account.clone(),
        email: EMAIL.to_owned(),
        password: PASSWORD.into(),
        request_timeout: REQUEST_TIMEOUT,
    };
    let client = HttpPlatform::new(platform, &connections).expect("nothing is sent yet");
    let platform = Rc::new(Watched { client, overdue: Cell::new(0) });
    let store = Rc::new(MemoryStore::default());
    let report = timeout(HUNG, run_to_end(settings, &platform, &store)).await;
    let ran = Ran {
        what: format!("{faults:?}, seed {seed}"),
        report: report.unwrap_or_else(|_| panic!("{faults:?}, seed {seed}: the run hangs")),
        rows: store.rows(),
        dead_letters: store.dead_letters(),
        committed: store.batches().iter().sum(),
        overdue: platform.overdue.get(),
        seen: mock.stop(),
    };
    ran.assert_nothing_is_doubled_made_up_or_late(seed);
    ran
}

impl Ran {
    /// What holds whatever the platform does and however the run ends.
    fn assert_nothing_is_doubled_made_up_or_late(&self, seed: u64) {
        let what = &self.what;
        assert_eq!(self.overdue, 0, "{what}: a request outlived its bound");
        assert_eq!(self.committed, self.rows.len() + self.dead_letters.len(), "{what}: once each");
        assert!(self.rows.keys().all(|id| !self.dead_letters.contains_key(id)), "{what}: one or the other");
        let counts = self.report.campaigns;
        assert_eq!(
            (counts.stored, counts.dead_lettered),
            (self.rows.len() as u64, self.dead_letters.len() as u64)
        );
        assert_eq!(
            counts.distinct,
            counts.stored + counts.dead_lettered,
            "{what}: what was listed is settled"
        );
        let genuine: HashMap<_, _> =
            (1..=CAMPAIGNS).map(|number| campaign(seed, number)).map(|one| (one.id.clone(), one)).collect();
        for (id, SyncedCampaign { campaign: stored, .. }) in &self.rows {
            let one = genuine.get(id.as_str()).unwrap_or_else(|| panic!("{what}: {id} is made up"));
            let budget = format!("{}.{:02}", one.budget_cents / 100, one.budget_cents % 100);
            assert_eq!((&stored.name, &*stored.budget), (&one.name, &*budget), "{what}");
        }
        let seen = &self.seen;
        assert_eq!((seen.campaigns_under_several_keys, seen.keys_of_several_campaigns), (0, 0), "{what}");
        assert_eq!(seen.count("other", "404"), 0, "{what}: a redirect was followed");
        assert!(self.report.restarts == RestartCounts::default(), "{what}: an actor panicked");
    }

    fn assert_complete(&self) {
        let problems = &self.report.problems;
        assert_eq!((self.report.status, &problems[..]), (Status::Complete, &[][..]), "{}", self.what);
        assert_eq!(self.rows.len() as u64, CAMPAIGNS, "{}", self.what);
    }

    /// Says so, and why, and nothing else is wrong.
    fn assert_unproven(&self) {
        let classes: Vec<ProblemClass> = self.report.problems.iter().map(|problem| problem.class).collect();
        assert_eq!(
            (self.report.status, &classes[..]),
            (Status::Partial, &[ProblemClass::ListingIncomplete][..]),
            "{}",
            self.what
        );
    }

    fn assert_struck(&self, fault: Fault) {
        assert!(self.seen.struck(fault) > 0, "{}: {} never struck", self.what, fault.name());
    }
}

#[actix::test]
async fn an_answer_that_is_wrong_or_missing_costs_a_repeat_and_nothing_else() {
    for fault in [
        Fault::BodyCut,
        Fault::NotJson,
        Fault::Html,
        Fault::WrongTypes,
        Fault::WrongCampaign,
        Fault::SuccessFalse,
        Fault::Redirect,
        Fault::ConnectionReset,
        Fault::ConnectionClosed,
        Fault::StaleKeepAlive,
    ] {
        let ran = run(&[(fault, FIFTH)], 1).await;
        ran.assert_complete();
        ran.assert_struck(fault);
        assert!(ran.report.requests.retried > 0, "{}", ran.what);
    }
}

#[actix::test]
async fn a_body_that_drips_costs_its_requests_the_timeout() {
    let ran = run(&[(Fault::BodyDrips, FIFTH)], 1).await;
    ran.assert_complete();
    assert_eq!(ran.report.requests.timed_out, ran.seen.struck(Fault::BodyDrips));
    ran.assert_struck(Fault::BodyDrips);
}

#[actix::test]
async fn a_body_that_never_ends_is_read_to_its_bound_or_its_time_and_no_further() {
    for fault in [Fault::BodyEndless, Fault::GzipBomb] {
        let ran = run(&[(fault, FIFTH)], 1).await;
        ran.assert_complete();
        ran.assert_struck(fault);
    }
}

#[actix::test]
async fn a_good_answer_in_another_form_costs_nothing() {
    for fault in [Fault::Gzip, Fault::Chunked] {
        let ran = run(&[(fault, FIFTH)], 1).await;
        ran.assert_complete();
        ran.assert_struck(fault);
        assert_eq!(ran.report.requests.total, 1 + 5 + CAMPAIGNS, "{}", ran.what);
    }
}

#[actix::test]
async fn a_good_token_that_is_refused_now_and_then_is_replaced_and_nothing_is_given_up() {
    for seed in 1..=3 {
        let ran = run(&[(Fault::Unauthorized, FIFTH)], seed).await;
        ran.assert_complete();
        ran.assert_struck(Fault::Unauthorized);
        let (unauthorized, logins) = (ran.report.requests.unauthorized, ran.report.requests.auth);
        assert_eq!(unauthorized, ran.seen.struck(Fault::Unauthorized), "{}", ran.what);
        assert!(logins <= 1 + unauthorized, "{}: {logins} logins for {unauthorized} 401s", ran.what);
    }
}

/// Tokens meet their end while requests that hold them wait for a permit, so the limit is one that is felt.
#[actix::test]
async fn tokens_that_die_early_or_kill_their_predecessors_are_replaced_and_nothing_is_given_up() {
    // Something has to make it log in again while a token is good.
    let refused = (Fault::Unauthorized, FIFTH);
    for (faults, seed) in [
        (vec![(Fault::TokenDiesEarly, FIFTH)], STRUCK_AT_ITS_FIRST_LOGIN),
        (vec![(Fault::TokenDiesEarly, 1.0)], 1),
        (vec![(Fault::TokenKillsPredecessors, FIFTH), refused], STRUCK_AT_ITS_THIRD_LOGIN_AND_THREE_MORE),
        (vec![(Fault::TokenKillsPredecessors, 1.0), refused], 1),
    ] {
        let ran = run_limited(&faults, seed, limit(10, Duration::from_millis(100))).await;
        ran.assert_complete();
        let (unauthorized, logins) = (ran.report.requests.unauthorized, ran.report.requests.auth);
        assert!(logins <= 1 + unauthorized, "{}: {logins} logins for {unauthorized} 401s", ran.what);
        match faults[0].0 {
            // Whoever waits for a permit changes a token that was refused before it sends it, so a token that was killed
            // is hardly ever seen again: it is enough that there were logins to kill.
            Fault::TokenKillsPredecessors => assert!(logins >= 3, "{}: {logins} logins", ran.what),
            fault => ran.assert_struck(fault),
        }
    }
}

#[actix::test]
async fn a_login_that_fails_or_hangs_is_repeated() {
    for fault in [Fault::LoginFails, Fault::LoginHangs] {
        let ran = run(&[(fault, FIFTH)], STRUCK_AT_ITS_FIRST_LOGIN).await;
        ran.assert_complete();
        ran.assert_struck(fault);
        // And in the middle of the run, where every other token dies early.
        let ran =
            run(&[(fault, FIFTH), (Fault::TokenDiesEarly, 1.0 - FIFTH)], STRUCK_AT_ITS_FIRST_LOGIN).await;
        ran.assert_complete();
        ran.assert_struck(fault);
    }
}

#[actix::test]
async fn an_entry_that_is_no_campaign_is_a_dead_letter_and_the_others_are_stored() {
    let ran = run(&[(Fault::MalformedEntry, FIFTH)], 1).await;
    ran.assert_struck(Fault::MalformedEntry);
    assert_eq!(ran.report.status, Status::Partial);
    assert_eq!(ran.dead_letters.len() as u64, ran.seen.struck(Fault::MalformedEntry));
    assert_eq!(ran.rows.len() + ran.dead_letters.len(), 45);
    for letter in ran.dead_letters.values() {
        assert_eq!(letter.class, FailureClass::Malformed);
        assert!(
            letter.message.contains("`impressions`") && letter.payload.contains("many"),
            "{}",
            letter.message
        );
    }
}

/// At a fifth of the pages, whether a listing can be proven depends on which pages they are: so many seeds.
#[actix::test]
async fn a_listing_that_lies_is_complete_only_where_nothing_is_missing_and_else_says_so() {
    for (fault, can_be_proven) in [
        // What a page hid is found by the second pass, unless it hides it again.
        (Fault::RepeatedPage, false),
        (Fault::ShiftedPage, false),
        // The number of campaigns changes while they are read, perhaps in the second pass too.
        (Fault::ShrinkingListing, false),
        (Fault::LyingTotal, false),
        // The total and an empty page tell the end of these; nothing is hidden.
        (Fault::OverlappingPage, true),
        (Fault::EndlessListing, true),
        (Fault::LyingHasMore, true),
    ] {
        let (mut struck, mut complete) = (0, 0);
        for seed in 1..=10 {
            let ran = run(&[(fault, FIFTH)], seed).await;
            struck += ran.seen.struck(fault);
            let gone = if fault == Fault::ShrinkingListing { ran.seen.struck(fault) } else { 0 };
            match ran.report.status {
                Status::Complete => {
                    complete += 1;
                    let missing =
                        |number: &u64| !ran.rows.contains_key(&campaign(seed, *number).id.as_str().into());
                    assert_eq!((gone + 1..=CAMPAIGNS).find(missing), None, "{}", ran.what);
                    assert_eq!(ran.report.problems, [], "{}", ran.what);
                }
                _ => {
                    assert!(!can_be_proven, "{}: {:?}", ran.what, ran.report.problems);
                    ran.assert_unproven();
                }
            }
        }
        assert!(struck > 0 && complete > 0, "{fault:?}: {struck} times in ten runs, {complete} complete");
    }
}

#[actix::test]
async fn a_listing_of_which_every_page_lies_ends_and_what_it_shows_is_stored() {
    for (fault, proven, stored) in [
        // Each page comes under the next one's number, so they all come.
        (Fault::RepeatedPage, true, CAMPAIGNS),
        (Fault::OverlappingPage, true, CAMPAIGNS),
        (Fault::LyingHasMore, true, CAMPAIGNS),
        // The first campaign is on no page.
        (Fault::ShiftedPage, false, CAMPAIGNS - 1),
        (Fault::EndlessListing, false, CAMPAIGNS),
        (Fault::LyingTotal, false, CAMPAIGNS),
    ] {
        let ran = run(&[(fault, 1.0)], 1).await;
        if proven {
            ran.assert_complete()
        } else {
            ran.assert_unproven()
        }
        assert_eq!(ran.rows.len() as u64, stored, "{}", ran.what);
        ran.assert_struck(fault);
    }
}

#[actix::test]
async fn everything_at_once_is_survived() {
    let faults: Vec<(Fault, f64)> = [
        (Fault::BodyCut, 0.03),
        (Fault::Html, 0.03),
        (Fault::ConnectionReset, 0.03),
        (Fault::StaleKeepAlive, 0.03),
        (Fault::Redirect, 0.03),
        (Fault::Gzip, 0.03),
        (Fault::Chunked, 0.03),
        (Fault::Unauthorized, 0.03),
        (Fault::SuccessFalse, 0.03),
        (Fault::WrongCampaign, 0.03),
        (Fault::OverlappingPage, 0.2),
        (Fault::LyingHasMore, 0.2),
        (Fault::TokenKillsPredecessors, 0.3),
        (Fault::TokenDiesEarly, 0.3),
        (Fault::LoginFails, 0.15),
    ]
    .into();
    run(&faults, 1).await.assert_complete();
}
