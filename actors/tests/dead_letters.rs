//! What becomes of dead letters, on fakes, in virtual time: the next run tries those of every class again, and a replay
//! those that are asked for and nothing else.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actors::model::{Batch, CampaignId, DeadLetter, FailureClass, LetterFilter, Listed, Page, PageRequest};
use actors::permit::Endpoint;
use actors::ports::{Share, Store};
use actors::report::{AccountReport, ProblemClass, Status};
use actors::settings::PipelineSettings;
use actors::testing::{
    MemoryStore, Play, ScriptedPlatform, campaign_id, honest_page, in_virtual_time, run_to_end, settings,
    unwatched,
};
use tokio::time::sleep;

const CAMPAIGNS: u64 = 130;
const NAMELESS: &str = r#"{"name":"who?"}"#;

fn letter(id: CampaignId, class: FailureClass) -> DeadLetter {
    let at = SystemTime::UNIX_EPOCH;
    DeadLetter {
        id,
        class,
        message: "it failed".into(),
        attempts: 1,
        payload: NAMELESS.into(),
        first_failed_at: at,
        last_failed_at: at,
    }
}

/// A store in which a run has buried these.
async fn with_letters(letters: impl IntoIterator<Item = DeadLetter>) -> Rc<MemoryStore> {
    let store = MemoryStore::default();
    let run = store.begin_run(&"test".into(), None).await.expect("a store in memory is always there");
    let batch = Batch { dead_letters: letters.into_iter().collect(), ..Batch::default() };
    store.commit(&[Share { run: Arc::new(run), batch }]).await.expect("as above");
    Rc::new(store)
}

fn replay(campaigns: &[u64], classes: &[FailureClass]) -> PipelineSettings {
    let campaigns = campaigns.iter().copied().map(campaign_id).collect();
    PipelineSettings { replay: Some(LetterFilter { campaigns, classes: classes.to_vec() }), ..settings() }
}

fn fresh() -> PipelineSettings {
    PipelineSettings { fresh: true, ..settings() }
}

fn problems(report: &AccountReport) -> Vec<ProblemClass> {
    report.problems.iter().map(|problem| problem.class).collect()
}

/// The honest page, with an entry without an id where the first campaign of all should be.
fn with_a_nameless_first(request: PageRequest) -> Page {
    let mut page = honest_page(CAMPAIGNS, request);
    if request.page == 1 {
        let (id, message) = (CampaignId::of_payload(NAMELESS), "`id` is missing".to_owned());
        page.entries[0] = Listed::Malformed { id, message, payload: NAMELESS.into() };
    }
    page
}

/// The numbers of the campaigns that were synced.
fn synced(platform: &ScriptedPlatform) -> Vec<u64> {
    let mut numbers: Vec<u64> = platform.synced().into_keys().collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn the_next_run_tries_the_letters_of_every_class_again() {
    in_virtual_time(async {
        for class in FailureClass::ALL {
            let store = with_letters([letter(campaign_id(7), class)]).await;
            let platform = Rc::new(ScriptedPlatform::obliging(CAMPAIGNS));
            let report = run_to_end(fresh(), &platform, &store).await;
            assert_eq!((report.status, report.campaigns.stored), (Status::Complete, CAMPAIGNS), "{class}");
            assert_eq!((platform.synced()[&7], store.dead_letters().len()), (1, 0), "{class}");
        }
    });
}

#[test]
fn a_letter_that_does_not_heal_is_kept_with_what_was_wrong_last() {
    in_virtual_time(async {
        for class in FailureClass::ALL {
            let store = with_letters([letter(campaign_id(7), class)]).await;
            let platform =
                ScriptedPlatform::obliging(CAMPAIGNS).playing(|call| match (call.endpoint, call.subject) {
                    (Endpoint::Sync, 7) => Play::Reject,
                    _ => Play::Well,
                });
            let report = run_to_end(fresh(), &Rc::new(platform), &store).await;
            assert_eq!((report.status, report.campaigns.dead_lettered), (Status::Partial, 1), "{class}");
            assert_eq!(
                report.dead_lettered_by_class,
                [(FailureClass::Rejected, 1)].into(),
                "and not {class}"
            );
            assert_eq!(store.dead_letters()[&campaign_id(7)].class, FailureClass::Rejected);
        }
    });
}

#[test]
fn the_letter_of_an_entry_without_an_id_goes_when_a_complete_listing_does_not_show_it_any_more() {
    let platform = |page: fn(PageRequest) -> Page| Rc::new(ScriptedPlatform::obliging(0).listing(page));
    let honest = |request| honest_page(CAMPAIGNS, request);
    let incomplete = |request| Page { total: Some(CAMPAIGNS + 1), ..honest_page(CAMPAIGNS, request) };
    let nameless = || letter(CampaignId::of_payload(NAMELESS), FailureClass::Malformed);
    in_virtual_time(async {
        for settings in [fresh(), replay(&[], &[])] {
            for (pages, status, left) in [
                (platform(with_a_nameless_first), Status::Partial, 1),
                (platform(incomplete), Status::Partial, 1),
                (platform(honest), Status::Complete, 0),
            ] {
                let store = with_letters([nameless()]).await;
                let report = run_to_end(settings.clone(), &pages, &store).await;
                assert_eq!((report.status, store.dead_letters().len()), (status, left), "{report:?}");
            }
        }
        // A replay that is not about it leaves it alone, and so does one whose campaign has an id.
        let store = with_letters([nameless(), letter("gone".into(), FailureClass::Malformed)]).await;
        run_to_end(replay(&[], &[FailureClass::Timeout]), &platform(honest), &store).await;
        assert_eq!(store.dead_letters().len(), 2);
        run_to_end(fresh(), &platform(honest), &store).await;
        assert_eq!(store.dead_letters().into_keys().collect::<Vec<_>>(), ["gone".into()]);
    });
}

#[test]
fn a_replay_lists_everything_and_syncs_only_the_letters() {
    let timeouts = [5, 77, 129].map(|number| letter(campaign_id(number), FailureClass::Timeout));
    let rejected = letter(campaign_id(6), FailureClass::Rejected);
    in_virtual_time(async {
        for (settings, expected) in [
            (replay(&[], &[]), vec![5, 6, 77, 129]),
            (replay(&[], &[FailureClass::Timeout]), vec![5, 77, 129]),
            (replay(&[6, 77, 8], &[]), vec![6, 77]),
            (replay(&[6, 77], &[FailureClass::Timeout, FailureClass::Panicked]), vec![77]),
        ] {
            let store = with_letters(timeouts.clone().into_iter().chain([rejected.clone()])).await;
            let platform = Rc::new(ScriptedPlatform::obliging(CAMPAIGNS));
            let report = run_to_end(settings, &platform, &store).await;
            let (counts, stored) = (report.campaigns, expected.len() as u64);
            assert_eq!((report.status, report.resumed), (Status::Complete, false), "{report:?}");
            assert_eq!((counts.listed, counts.distinct, counts.stored), (CAMPAIGNS, stored, stored));
            assert_eq!(counts.reported_total, Some(stored), "the letters that there were");
            assert_eq!((report.requests.list, report.requests.sync), (13, stored));
            assert_eq!(synced(&platform), expected);
            assert_eq!(store.dead_letters().len(), 4 - expected.len());
        }
    });
}

#[test]
fn a_replay_of_a_listing_that_repeats_itself_syncs_each_letter_once() {
    let letters = (0..CAMPAIGNS).step_by(9).map(|number| letter(campaign_id(number), FailureClass::Timeout));
    // Every page is shown twice, and the total is right.
    let pages = |request: PageRequest| {
        let twice = PageRequest { page: request.page.div_ceil(2), ..request };
        let page = honest_page(CAMPAIGNS, twice);
        Page { has_more: page.has_more || request.page % 2 == 1, ..page }
    };
    in_virtual_time(async {
        let store = with_letters(letters).await;
        let platform = Rc::new(ScriptedPlatform::obliging(0).listing(pages));
        let report = run_to_end(replay(&[], &[]), &platform, &store).await;
        assert_eq!(report.status, Status::Complete, "{report:?}");
        assert_eq!((report.campaigns.distinct, report.campaigns.stored), (15, 15));
        assert!(platform.synced().values().all(|times| *times == 1));
        assert!(store.dead_letters().is_empty());
    });
}

#[test]
fn a_replay_says_which_letters_the_platform_does_not_list_any_more_and_keeps_them() {
    in_virtual_time(async {
        let gone = (500..510).chain([3]).map(|number| letter(campaign_id(number), FailureClass::Timeout));
        let store = with_letters(gone).await;
        let report = run_to_end(replay(&[], &[]), &Rc::new(ScriptedPlatform::obliging(20)), &store).await;
        assert_eq!((report.status, problems(&report)), (Status::Partial, vec![ProblemClass::NotListed]));
        assert_eq!((report.campaigns.distinct, report.campaigns.reported_total), (1, Some(11)));
        let message = &report.problems[0].message;
        assert!(message.starts_with("10 of the dead letters"), "{message}");
        assert!(message.contains(campaign_id(500).as_str()), "{message}");
        assert_eq!(store.dead_letters().len(), 10);
    });
}

#[test]
fn a_letter_that_fails_again_in_a_replay_is_a_letter_of_the_replay() {
    in_virtual_time(async {
        let store =
            with_letters([1, 2].map(|number| letter(campaign_id(number), FailureClass::Timeout))).await;
        let platform = ScriptedPlatform::obliging(20).playing(|call| match (call.endpoint, call.subject) {
            (Endpoint::Sync, 2) => Play::Reject,
            _ => Play::Well,
        });
        let report = run_to_end(replay(&[], &[FailureClass::Timeout]), &Rc::new(platform), &store).await;
        assert_eq!((report.status, problems(&report)), (Status::Partial, vec![ProblemClass::DeadLetters]));
        assert_eq!((report.campaigns.stored, report.campaigns.dead_lettered), (1, 1));
        assert_eq!(store.dead_letters()[&campaign_id(2)].class, FailureClass::Rejected);
    });
}

#[test]
fn where_there_is_nothing_to_replay_the_platform_is_not_asked() {
    in_virtual_time(async {
        let platform = Rc::new(ScriptedPlatform::obliging(20));
        let report = run_to_end(replay(&[], &[]), &platform, &Rc::new(MemoryStore::default())).await;
        assert_eq!((report.status, report.requests.total), (Status::Complete, 0));
        assert_eq!(report.campaigns.reported_total, Some(0));
        assert!(platform.calls().is_empty());
    });
}

#[test]
fn an_unfinished_run_is_resumed_after_a_replay_and_a_replay_never_is() {
    let rejecting = ScriptedPlatform::obliging(CAMPAIGNS).playing(|call| {
        // The first time only.
        let poor = call.endpoint == Endpoint::Sync && call.subject == 1 && call.repeat == 0;
        if poor { Play::Reject } else { Play::Well }
    });
    let (platform, store) = (Rc::new(rejecting), Rc::new(MemoryStore::default()));
    let until = |store: &Rc<MemoryStore>, rows: usize| {
        let store = store.clone();
        async move {
            while store.rows().len() < rows || store.dead_letters().is_empty() {
                sleep(Duration::from_millis(1)).await;
            }
        }
    };
    in_virtual_time(async {
        let (now, then) = (until(&store, 40), PipelineSettings { page_size: NonZeroU32::MIN, ..settings() });
        let first = actors::run(then, platform.clone(), store.clone(), unwatched(), now).await;
        assert_eq!(first.status, Status::Interrupted);
        let stopped = replay(&[], &[]);
        let ended = actors::run(stopped, platform.clone(), store.clone(), unwatched(), async {}).await;
        assert_eq!(ended.status, Status::Interrupted, "and so a replay is left unfinished");
        let replayed = run_to_end(replay(&[], &[]), &platform, &store).await;
        assert_eq!((replayed.status, replayed.resumed), (Status::Complete, false));
        assert_ne!(replayed.run_id, ended.run_id);

        let second = run_to_end(settings(), &platform, &store).await;
        assert_eq!((second.status, second.resumed, second.run_id), (Status::Complete, true, first.run_id));
        let counts = second.campaigns;
        assert_eq!((counts.skipped, counts.skipped + counts.stored), (first.campaigns.stored, CAMPAIGNS));
    });
}

#[test]
fn a_replay_is_no_listing_nothing_that_it_passes_over_is_gone_and_nothing_is_compared_with_it() {
    let rejected = |call: &actors::testing::Call| {
        call.endpoint == Endpoint::Sync && call.subject == 7 && call.repeat == 0
    };
    let platform = ScriptedPlatform::obliging(CAMPAIGNS)
        .playing(move |call| if rejected(call) { Play::Reject } else { Play::Well });
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    in_virtual_time(async {
        assert_eq!(run_to_end(settings(), &platform, &store).await.status, Status::Partial);
        let replayed = run_to_end(replay(&[7], &[]), &platform, &store).await;
        assert_eq!((replayed.status, replayed.campaigns.stored), (Status::Complete, 1));
        assert!(!replayed.listing_proven);
        assert_eq!(store.removed().len(), 0);
        let next = run_to_end(settings(), &platform, &store).await;
        assert_eq!((next.status, problems(&next)), (Status::Complete, vec![]), "it did not shrink, nor grow");
    });
}
