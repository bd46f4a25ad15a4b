//! A run that was cut short and the next one, on fakes, in virtual time: nothing is lost, and nothing is done twice but
//! what was on its way.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use actors::model::{Page, PageRequest};
use actors::permit::Endpoint;
use actors::report::{AccountReport, ProblemClass, Status};
use actors::settings::{BatchLimits, Concurrency, LONGEST_PAUSE, PipelineSettings};
use actors::testing::{
    CommitFault, MemoryStore, Play, ScriptedPlatform, TallyStore, assert_all_accounted_for, campaign_id,
    honest_page, in_virtual_time, limit, run_to_end, settings, unwatched,
};
use proptest::prelude::*;
use tokio::time::sleep;

/// How a process ends before its run does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// By SIGTERM: what is in flight is finished.
    Stopped,
    /// By SIGKILL.
    Killed,
}

/// Runs until so many campaigns are stored, and no longer.
async fn run_until(
    stored: usize,
    end: End,
    settings: PipelineSettings,
    platform: &Rc<ScriptedPlatform>,
    store: &Rc<MemoryStore>,
) -> Option<AccountReport> {
    let watched = store.clone();
    let enough = async move {
        while watched.rows().len() < stored {
            sleep(Duration::from_millis(1)).await;
        }
    };
    match end {
        End::Stopped => {
            Some(actors::run(settings, platform.clone(), store.clone(), unwatched(), enough).await)
        }
        End::Killed => tokio::select! {
            report = run_to_end(settings, platform, store) => Some(report),
            () = enough => None,
        },
    }
}

/// The listing of so many campaigns that begins with another one.
fn rotated_page(campaigns: u64, first: u64, request: PageRequest) -> Page {
    let mut page = honest_page(campaigns, request);
    let begin = u64::from(request.page - 1) * u64::from(request.limit.get());
    for (entry, place) in page.entries.iter_mut().zip(begin..) {
        let number = u32::try_from((place + first) % campaigns).expect("few campaigns");
        let alone = PageRequest { page: number + 1, limit: NonZeroU32::MIN };
        *entry = honest_page(campaigns, alone).entries.remove(0);
    }
    page
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn what_was_stored_is_skipped_and_only_what_was_on_its_way_is_done_again(
        cut in 1..140_usize,
        end in prop_oneof![Just(End::Stopped), Just(End::Killed)],
        concurrency in 1..20_usize,
        page_size in 1..40_u32,
        batch_size in 1..60_usize,
        shift in 0..130_u64,
    ) {
        const CAMPAIGNS: u64 = 130;
        let settings = PipelineSettings {
            concurrency: Concurrency::new(concurrency).expect("in range"),
            page_size: NonZeroU32::new(page_size).expect("not zero"),
            batch: BatchLimits::new(batch_size, Duration::from_millis(200)).expect("in range"),
            ..settings()
        };
        let first = Rc::new(Cell::new(0));
        let listed_from = first.clone();
        let platform = ScriptedPlatform::obliging(0)
            .answering_within(Duration::from_millis(1)..=Duration::from_millis(300))
            .listing(move |request| rotated_page(CAMPAIGNS, listed_from.get(), request));
        let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
        in_virtual_time(async {
            let cut_short = run_until(cut, end, settings.clone(), &platform, &store).await;
            if cut_short.is_some_and(|report| report.status == Status::Complete) {
                return Ok(());
            }
            let (stored, synced) = (store.rows().len() as u64, platform.synced().len() as u64);
            prop_assert!(synced - stored <= (3 * batch_size + concurrency) as u64);
            prop_assert!(end == End::Killed || synced == stored);
            first.set(shift);
            let report = run_to_end(settings, &platform, &store).await;
            assert_all_accounted_for(&report);
            prop_assert_eq!((report.status, report.resumed), (Status::Complete, true));
            let counts = report.campaigns;
            prop_assert_eq!((counts.listed, counts.distinct), (CAMPAIGNS, CAMPAIGNS));
            prop_assert_eq!((counts.skipped, counts.stored), (stored, CAMPAIGNS - stored));
            prop_assert_eq!(report.requests.sync, CAMPAIGNS - stored, "no request for what is skipped");
            Ok(())
        })?;
        prop_assert_eq!(store.rows().len() as u64, CAMPAIGNS);
        prop_assert!(platform.synced().values().all(|times| *times <= 2));
        prop_assert!(platform.most_keys_of_one_campaign() == 1, "a repeat has the key of the first time");
    }
}

#[test]
fn a_listing_of_which_nine_tenths_are_stored_is_read_to_its_end() {
    let platform = Rc::new(ScriptedPlatform::obliging(1000));
    let store = Rc::new(TallyStore::for_campaigns(1000).left_after(900));
    let report = in_virtual_time(run_to_end(settings(), &platform, &store));
    assert_eq!((report.status, report.resumed), (Status::Complete, true));
    assert_eq!((report.campaigns.skipped, report.campaigns.stored, report.requests.sync), (900, 100, 100));
    assert_eq!((report.requests.list, store.stored(), store.doubled()), (100, 1000, 0));
}

#[test]
fn a_run_that_had_stored_everything_is_resumed_for_the_price_of_its_listing() {
    let platform = Rc::new(ScriptedPlatform::obliging(100));
    let store = Rc::new(TallyStore::for_campaigns(100).left_after(100));
    let report = in_virtual_time(run_to_end(settings(), &platform, &store));
    assert_eq!((report.status, report.campaigns.skipped, report.requests.sync), (Status::Complete, 100, 0));
}

#[test]
fn a_campaign_that_is_skipped_and_listed_again_is_skipped_once() {
    let asked = Cell::new(0);
    let platform = ScriptedPlatform::obliging(0).listing(move |request| {
        asked.set(asked.get() + 1);
        // The last of the first page stands on the second one too, and the first of the second nowhere: until the
        // second pass.
        let mut page = honest_page(50, request);
        if asked.get() == 2 {
            page.entries[0] = honest_page(50, PageRequest { page: 1, ..request }).entries[9].clone();
        }
        page
    });
    let (platform, store) = (Rc::new(platform), Rc::new(TallyStore::for_campaigns(50).left_after(30)));
    let report = in_virtual_time(run_to_end(settings(), &platform, &store));
    assert_all_accounted_for(&report);
    assert_eq!((report.status, report.campaigns.distinct), (Status::Complete, 50));
    assert_eq!((report.campaigns.skipped, report.campaigns.stored), (30, 20));
    assert!(report.campaigns.listed > 50, "there was a second pass");
    assert_eq!(store.doubled(), 0);
}

#[test]
fn a_page_of_skipped_campaigns_that_repeats_for_ever_ends_partial() {
    let platform = ScriptedPlatform::obliging(0).listing(|mut request| {
        request.page = request.page.min(3);
        Page { has_more: true, ..honest_page(100, request) }
    });
    let (platform, store) = (Rc::new(platform), Rc::new(TallyStore::for_campaigns(100).left_after(50)));
    let report = in_virtual_time(run_to_end(settings(), &platform, &store));
    assert_all_accounted_for(&report);
    assert_eq!((report.status, report.campaigns.skipped), (Status::Partial, 30));
    assert!(report.requests.list < 20, "{} pages", report.requests.list);
}

#[test]
fn a_dead_letter_of_the_process_before_is_tried_again_and_counted_once() {
    let healed = Rc::new(Cell::new(false));
    let well = healed.clone();
    let platform = ScriptedPlatform::obliging(100).playing(move |call| match (call.endpoint, call.subject) {
        (Endpoint::Sync, 3) if !well.get() => Play::Reject,
        (Endpoint::Sync, 4) => Play::Reject,
        _ => Play::Well,
    });
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    in_virtual_time(async {
        run_until(50, End::Killed, settings(), &platform, &store).await;
        let (stored, buried) = (store.rows().len() as u64, store.dead_letters());
        assert!(buried.contains_key(&campaign_id(3)) && buried.contains_key(&campaign_id(4)));
        healed.set(true);
        let report = run_to_end(settings(), &platform, &store).await;
        assert_all_accounted_for(&report);
        assert_eq!((report.status, report.campaigns.skipped), (Status::Partial, stored));
        assert_eq!((report.campaigns.stored, report.campaigns.dead_lettered), (99 - stored, 1));
    });
    assert_eq!(store.dead_letters().into_keys().collect::<Vec<_>>(), [campaign_id(4)]);
}

#[test]
fn a_run_that_failed_is_resumed_and_one_that_came_to_its_end_is_not() {
    let store = MemoryStore::failing(|number| match number {
        2 => CommitFault::Broken,
        _ => CommitFault::None,
    });
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(300)), Rc::new(store));
    in_virtual_time(async {
        let failed = run_to_end(settings(), &platform, &store).await;
        assert_eq!((failed.status, failed.resumed), (Status::Failed, false));
        let second = run_to_end(settings(), &platform, &store).await;
        assert_eq!((second.status, second.resumed), (Status::Complete, true));
        assert_eq!((second.run_id, second.campaigns.skipped), (failed.run_id, failed.campaigns.stored));
        let third = run_to_end(settings(), &platform, &store).await;
        assert_eq!((third.resumed, third.campaigns.stored, third.campaigns.skipped), (false, 300, 0));
        assert_ne!(third.run_id, second.run_id);
    });
}

#[test]
fn a_fresh_run_leaves_the_unfinished_one_and_syncs_everything() {
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(100)), Rc::new(MemoryStore::default()));
    in_virtual_time(async {
        run_until(50, End::Killed, settings(), &platform, &store).await;
        let fresh = PipelineSettings { fresh: true, ..settings() };
        let report = run_to_end(fresh, &platform, &store).await;
        assert_eq!((report.status, report.resumed), (Status::Complete, false));
        assert_eq!((report.campaigns.stored, report.campaigns.skipped), (100, 0));
    });
}

#[test]
fn a_run_that_has_rested_for_too_long_is_not_resumed_but_one_that_waited_for_its_quota_is() {
    const DAY: Duration = Duration::from_secs(86_400);
    let daily = PipelineSettings {
        rate_limits: vec![limit(100, DAY)],
        max_wait: Duration::from_secs(60),
        ..settings()
    };
    let just_too_long = LONGEST_PAUSE + Duration::from_secs(1);
    for (settings, pause, resumed) in
        [(settings(), LONGEST_PAUSE / 2, true), (settings(), just_too_long, false), (daily, DAY, true)]
    {
        let (platform, store) = (Rc::new(ScriptedPlatform::obliging(300)), Rc::new(MemoryStore::default()));
        in_virtual_time(async {
            run_until(80, End::Stopped, settings.clone(), &platform, &store).await;
            sleep(pause).await;
            let report = run_until(usize::MAX, End::Stopped, settings, &platform, &store).await;
            assert_eq!(report.expect("nobody kills it").resumed, resumed, "after {pause:?}");
        });
    }
}

#[test]
fn a_limit_of_a_day_is_used_up_each_day_until_everything_is_stored() {
    const DAY: Duration = Duration::from_secs(86_400);
    let settings = PipelineSettings {
        rate_limits: vec![limit(100, DAY)],
        max_wait: Duration::from_secs(60),
        page_size: NonZeroU32::new(100).expect("not zero"),
        ..settings()
    };
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(250)), Rc::new(MemoryStore::default()));
    in_virtual_time(async {
        for day in 0..3 {
            let report = run_to_end(settings.clone(), &platform, &store).await;
            let wanted = if day < 2 { Status::Interrupted } else { Status::Complete };
            assert_eq!((report.status, report.resumed), (wanted, day > 0), "{report:?}");
            sleep(DAY + Duration::from_secs(120)).await;
        }
    });
    assert!(platform.synced().values().all(|times| *times == 1));
}

#[test]
fn a_process_that_wakes_up_after_another_has_taken_over_stores_nothing_more() {
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(300)), Rc::new(MemoryStore::default()));
    in_virtual_time(async {
        let sleeper = run_to_end(settings(), &platform, &store);
        let successor = async {
            while store.rows().is_empty() {
                sleep(Duration::from_millis(1)).await;
            }
            run_to_end(settings(), &platform, &store).await
        };
        let (sleeper, successor) = tokio::join!(sleeper, successor);
        assert_eq!((successor.status, successor.resumed), (Status::Complete, true));
        assert_all_accounted_for(&successor);
        assert_eq!(sleeper.status, Status::Failed);
        let expected = [ProblemClass::StoreFailed, ProblemClass::LeftToDo];
        assert!(sleeper.problems.iter().all(|p| expected.contains(&p.class)), "{sleeper:?}");
        assert!(sleeper.problems[0].message.contains("another process has taken over account test"));
        assert_eq!(store.finished(), [successor], "the sleeper's report is not kept");
    });
}
