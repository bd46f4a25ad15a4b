//! Nothing is missing, of what was listed and of the listing, or the run says so: on fakes, in virtual time.

use std::cell::Cell;
use std::collections::HashSet;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use actors::max_shrink::MaxShrink;
use actors::model::CampaignId;
use actors::permit::Endpoint;
use actors::report::{AccountReport, ProblemClass, Status};
use actors::settings::{BatchLimits, Concurrency, PipelineSettings};
use actors::testing::{
    CommitFault, MemoryStore, Play, ScriptedPlatform, assert_all_accounted_for, campaign_id, honest_page,
    in_virtual_time, run_to_end, settings, unwatched,
};
use proptest::prelude::*;
use tokio::time::sleep;

/// An account whose campaigns come and go between runs.
struct Account {
    campaigns: Rc<Cell<u64>>,
    platform: Rc<ScriptedPlatform>,
    store: Rc<MemoryStore>,
}

impl Account {
    fn new(script: impl Fn(&actors::testing::Call) -> Play + 'static) -> Self {
        let campaigns = Rc::new(Cell::new(0));
        let listed = campaigns.clone();
        let platform = ScriptedPlatform::obliging(0)
            .playing(script)
            .listing(move |request| honest_page(listed.get(), request));
        Self { campaigns, platform: Rc::new(platform), store: Rc::default() }
    }

    /// A run while the account has so many campaigns.
    fn run(&self, campaigns: u64, max_shrink: MaxShrink) -> AccountReport {
        self.campaigns.set(campaigns);
        let settings = PipelineSettings { max_shrink, ..settings() };
        in_virtual_time(run_to_end(settings, &self.platform, &self.store))
    }
}

fn classes(report: &AccountReport) -> Vec<ProblemClass> {
    report.problems.iter().map(|problem| problem.class).collect()
}

fn ids(numbers: impl IntoIterator<Item = u64>) -> HashSet<CampaignId> {
    numbers.into_iter().map(campaign_id).collect()
}

#[test]
fn what_a_proven_listing_holds_no_more_is_marked_and_stays_and_comes_back() {
    let account = Account::new(|_| Play::Well);
    for (campaigns, removed) in [(100, 100..100), (60, 60..100), (60, 60..100), (80, 80..100)] {
        assert_eq!(account.run(campaigns, MaxShrink::default()).status, Status::Complete);
        assert_eq!(account.store.removed(), ids(removed), "{campaigns}");
        assert_eq!(account.store.rows().len(), 100);
    }
}

#[test]
fn a_listing_that_shrank_by_too_much_is_partial_marks_nothing_and_is_the_same_again_until_it_is_accepted() {
    let account = Account::new(|_| Play::Well);
    account.run(100, MaxShrink::default());
    for campaigns in [49, 0, 49] {
        let report = account.run(campaigns, MaxShrink::default());
        assert_eq!((report.status, classes(&report)), (Status::Partial, vec![ProblemClass::ListingShrank]));
        let message = &report.problems[0].message;
        let numbers = format!("lists {campaigns} campaigns, and listed 100 ");
        assert!(message.contains(&numbers) && message.contains("--max-shrink none"), "{message}");
        assert_eq!((report.campaigns.stored, account.store.removed().len()), (campaigns, 0));
    }
    assert_eq!(account.run(49, MaxShrink::ANY).status, Status::Complete);
    assert_eq!(account.store.removed(), ids(49..100));
    // From then on it is what the next is compared with.
    assert_eq!(account.run(25, MaxShrink::default()).status, Status::Complete);
}

#[test]
fn an_account_with_a_dead_letter_in_each_run_is_watched_over_as_well() {
    let account = Account::new(|call| match (call.endpoint, call.subject) {
        (Endpoint::Sync, 7) => Play::Reject,
        _ => Play::Well,
    });
    assert_eq!(account.run(100, MaxShrink::default()).status, Status::Partial);
    let report = account.run(40, MaxShrink::default());
    assert_eq!(classes(&report), [ProblemClass::DeadLetters, ProblemClass::ListingShrank]);
    assert!(account.store.removed().is_empty());
    account.run(60, MaxShrink::default());
    assert_eq!(account.store.removed(), ids(60..100), "but not the one that was given up on");
}

#[test]
fn what_was_given_up_on_was_listed_and_is_not_removed() {
    let rejects = Rc::new(Cell::new(false));
    let rejecting = rejects.clone();
    let account = Account::new(move |call| match (call.endpoint, call.subject) {
        (Endpoint::Sync, 7) if rejecting.get() => Play::Reject,
        _ => Play::Well,
    });
    account.run(100, MaxShrink::default());
    rejects.set(true);
    let report = account.run(90, MaxShrink::default());
    assert_eq!((report.status, account.store.removed()), (Status::Partial, ids(90..100)));
}

#[test]
fn a_listing_that_is_not_proven_or_not_read_to_its_end_marks_nothing() {
    let account = Account::new(|call| match (call.endpoint, call.subject, call.repeat) {
        // Page 3 cannot be had by the second run, nor stored what it lists by the third.
        (Endpoint::List, 3, 1) => Play::Reject,
        _ => Play::Well,
    });
    account.run(100, MaxShrink::default());
    let report = account.run(90, MaxShrink::default());
    assert_eq!((report.status, classes(&report)), (Status::Partial, vec![ProblemClass::ListingIncomplete]));
    assert!(account.store.removed().is_empty());

    let store = Rc::new(MemoryStore::failing(|commit| match commit {
        0..2 => CommitFault::None,
        _ => CommitFault::Broken,
    }));
    in_virtual_time(run_to_end(settings(), &Rc::new(ScriptedPlatform::obliging(100)), &store));
    let report = in_virtual_time(run_to_end(settings(), &Rc::new(ScriptedPlatform::obliging(90)), &store));
    assert_eq!((report.status, store.removed().len()), (Status::Failed, 0));
}

#[test]
fn a_run_that_ends_early_says_how_much_of_what_it_listed_is_left() {
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(1000)), Rc::new(MemoryStore::default()));
    let stop = sleep;
    let report = in_virtual_time(async {
        let stop = async move { stop(Duration::from_secs(1)).await };
        actors::run(settings(), platform, store.clone(), unwatched(), stop).await
    });
    assert_all_accounted_for(&report);
    assert_eq!((report.status, classes(&report)), (Status::Interrupted, vec![ProblemClass::LeftToDo]));
    let counts = report.campaigns;
    let left =
        format!("{} of {} campaigns that were listed", counts.distinct - counts.stored, counts.distinct);
    let message = &report.problems[0].message;
    assert!(message.starts_with(&left) && message.contains("what was not listed yet"), "{message}");
}

/// How a run ends that does not come to its end.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Stopped(u64),
    StoreBreaks(u64),
    CredentialsEnd(u64),
}

fn cuts() -> impl Strategy<Value = Cut> {
    prop_oneof![
        (1..3000_u64).prop_map(Cut::Stopped),
        (0..20_u64).prop_map(Cut::StoreBreaks),
        (1..300_u64).prop_map(Cut::CredentialsEnd),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]
    #[test]
    fn wherever_a_run_is_cut_what_was_listed_is_settled_or_left_to_do(
        cut in cuts(),
        concurrency in 1..20_usize,
        page_size in 1..40_u32,
        batch_size in 1..60_usize,
    ) {
        let settings = PipelineSettings {
            concurrency: Concurrency::new(concurrency).expect("in range"),
            page_size: NonZeroU32::new(page_size).expect("not zero"),
            batch: BatchLimits::new(batch_size, Duration::from_millis(20)).expect("in range"),
            ..settings()
        };
        let platform = ScriptedPlatform::obliging(300)
            .answering_within(Duration::from_millis(1)..=Duration::from_millis(300))
            .playing(move |call| match (cut, call.endpoint) {
                (Cut::CredentialsEnd(_), Endpoint::Auth) if call.number > 0 => Play::Unauthorized,
                (Cut::CredentialsEnd(at), Endpoint::Sync) if call.number >= at => Play::Unauthorized,
                (_, Endpoint::Sync) if call.subject % 10 == 3 => Play::Reject,
                (_, Endpoint::Sync) if call.subject % 50 == 4 => Play::Panic,
                _ => Play::Well,
            });
        let store = Rc::new(MemoryStore::failing(move |commit| match cut {
            Cut::StoreBreaks(at) if commit >= at => CommitFault::Broken,
            _ => CommitFault::None,
        }));
        let report = in_virtual_time(async {
            let stop = async move {
                match cut {
                    Cut::Stopped(at) => sleep(Duration::from_millis(at)).await,
                    _ => std::future::pending().await,
                }
            };
            actors::run(settings, Rc::new(platform), store.clone(), unwatched(), stop).await
        });
        assert_all_accounted_for(&report);
        prop_assert_eq!(report.campaigns.stored, store.rows().len() as u64);
        prop_assert!(store.removed().is_empty());
    }
}

#[test]
fn a_report_that_marks_what_is_gone_may_take_a_minute_and_any_other_ten_seconds() {
    let closed = |seconds: u64, campaigns: u64, play: Play| {
        let store = Rc::new(MemoryStore::finishing_in(Duration::from_secs(seconds)));
        let platform = ScriptedPlatform::obliging(campaigns).playing(move |call| match call.endpoint {
            Endpoint::List => play,
            _ => Play::Well,
        });
        in_virtual_time(run_to_end(settings(), &Rc::new(platform), &store));
        store.finished().len()
    };
    assert_eq!((closed(50, 20, Play::Well), closed(70, 20, Play::Well)), (1, 0));
    assert_eq!((closed(9, 20, Play::Reject), closed(50, 20, Play::Reject)), (1, 0), "nothing is proven");
}
