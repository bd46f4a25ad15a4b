//! Honest platforms, and platforms with one lie each.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::{option, prop_oneof};

use super::*;

/// One answer: ids, `has_more`, `total`.
type Answer = (Vec<u64>, bool, Option<u64>);

struct Ended {
    listing: Listing,
    seen: HashSet<u64>,
    pages: usize,
}

impl Ended {
    fn is_proven(&self) -> bool {
        self.listing.end() == Some(&Completeness::Proven)
    }

    fn message(&self) -> &str {
        match self.listing.end() {
            Some(Completeness::Unproven(message)) => message,
            other => panic!("{other:?}"),
        }
    }
}

/// Asks until it has ended. The platform is told which page it is, and how many it has given before.
fn drive(limit: u32, most_pages: usize, mut platform: impl FnMut(u32, u64, usize) -> Answer) -> Ended {
    let mut listing = Listing::new(NonZeroU32::new(limit).expect("not zero"));
    let (mut seen, mut pages) = (HashSet::new(), 0);
    while let Some(PageRequest { page, limit }) = listing.next() {
        let (ids, has_more, total) = platform(page, limit.get().into(), pages);
        pages += 1;
        assert!(pages <= most_pages, "page {page} is asked for after {pages} requests");
        let shown = ids.clone();
        let fresh = ids.into_iter().filter(|id| seen.insert(*id)).count() as u64;
        listing.observe(&shown, fresh, has_more, total);
    }
    assert_eq!(listing.distinct, seen.len() as u64);
    Ended { listing, seen, pages }
}

fn honest(campaigns: u64, page: u32, limit: u64) -> Answer {
    let first = u64::from(page - 1) * limit;
    let end = (first + limit).min(campaigns);
    ((first..end).collect(), end < campaigns, Some(campaigns))
}

/// What is wrong with it; everything else is honest.
#[derive(Clone, Debug)]
enum Lie {
    TotalTooHigh(u64),
    TotalTooLow(u64),
    /// Past the end: nothing.
    AlwaysMore,
    /// Past the end: the last page, again and again.
    AlwaysMoreOfTheSame,
    EndsBefore(u32),
    /// In place of this page the one before it: the first time, or always.
    RepeatsBefore(u32, bool),
    /// An empty page in place of this one: the first time, or always.
    EmptyAt(u32, bool),
    /// Before this request, the last campaign moves to the front; the others shift by one.
    Shift(usize),
    NeverATotal,
}

fn lies() -> impl Strategy<Value = Lie> {
    prop_oneof![
        (1u64..500).prop_map(Lie::TotalTooHigh),
        (1u64..500).prop_map(Lie::TotalTooLow),
        Just(Lie::AlwaysMore),
        Just(Lie::AlwaysMoreOfTheSame),
        (1u32..40).prop_map(Lie::EndsBefore),
        (2u32..40, any::<bool>()).prop_map(|(page, always)| Lie::RepeatsBefore(page, always)),
        (1u32..40, any::<bool>()).prop_map(|(page, always)| Lie::EmptyAt(page, always)),
        (0usize..40).prop_map(Lie::Shift),
        Just(Lie::NeverATotal),
    ]
}

fn lying(lie: &Lie, campaigns: u64, page: u32, limit: u64, asked: usize) -> Answer {
    let last_page = u32::try_from(campaigns.div_ceil(limit).max(1)).expect("few");
    let (ids, has_more, total) = honest(campaigns, page, limit);
    let first_pass = asked < last_page as usize + 1;
    match *lie {
        Lie::TotalTooHigh(by) => (ids, has_more, Some(campaigns + by)),
        Lie::TotalTooLow(by) => (ids, has_more, Some(campaigns.saturating_sub(by))),
        Lie::AlwaysMore => (ids, true, total),
        Lie::AlwaysMoreOfTheSame => (honest(campaigns, page.min(last_page), limit).0, true, total),
        Lie::EndsBefore(at) => (ids, has_more && page != at, total),
        Lie::RepeatsBefore(at, always) if page == at && at <= last_page && (always || first_pass) => {
            (honest(campaigns, page - 1, limit).0, has_more, total)
        }
        Lie::EmptyAt(at, always) if page == at && (always || first_pass) => (vec![], has_more, total),
        Lie::Shift(before) if asked >= before => {
            (ids.into_iter().map(|id| (id + campaigns - 1) % campaigns).collect(), has_more, total)
        }
        Lie::NeverATotal => (ids, has_more, None),
        _ => (ids, has_more, total),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn an_honest_platform_is_proven_with_all_it_has_and_asked_for_no_page_twice(
        campaigns in 0u64..300,
        limit in 1u32..60,
        // Some give fewer than they are asked for.
        cap in option::of(1u64..60),
        knows_total in any::<bool>(),
    ) {
        let size = u64::from(limit).min(cap.unwrap_or(u64::MAX));
        let ended = drive(limit, 400, |page, limit, _| {
            let (ids, has_more, total) = honest(campaigns, page, limit.min(cap.unwrap_or(limit)));
            (ids, has_more, total.filter(|_| knows_total))
        });
        prop_assert!(ended.is_proven());
        prop_assert_eq!(ended.seen.len() as u64, campaigns);
        prop_assert_eq!(ended.listing.listed, campaigns);
        prop_assert_eq!(ended.pages as u64, campaigns.div_ceil(size).max(1));
    }

    #[test]
    fn no_single_lie_proves_a_listing_that_misses_a_campaign_nor_makes_it_endless(
        campaigns in 0u64..300,
        limit in 1u32..60,
        lie in lies(),
    ) {
        let pages = campaigns.div_ceil(limit.into()).max(1) as usize;
        // Twice all pages, and what it takes to see that nothing more comes.
        let most = 2 * (pages + 1) + MAX_BARREN_PAGES as usize;
        let ended = drive(limit, most, |page, limit, asked| lying(&lie, campaigns, page, limit, asked));
        prop_assert!(!ended.is_proven() || ended.seen.len() as u64 == campaigns);
        // Lies that cost nothing but a page or a pass are seen through.
        let seen_through = match lie {
            Lie::AlwaysMore | Lie::EndsBefore(_) | Lie::NeverATotal => true,
            Lie::RepeatsBefore(_, always) => !always,
            _ => false,
        };
        if seen_through {
            prop_assert!(ended.is_proven(), "{:?}", ended.listing.end());
        }
    }

    #[test]
    fn whatever_it_says_a_listing_ends(
        limit in 1u32..20,
        answers in proptest::collection::vec(
            (0u64..40, any::<bool>(), option::of(0u64..60)), 1..30
        ),
    ) {
        // Answers that make no sense, over and over.
        drive(limit, 200, |_, limit, asked| {
            let (first, has_more, total) = answers[asked % answers.len()];
            ((first..first + limit.min(first)).collect(), has_more, total)
        });
    }
}

#[test]
fn a_campaign_that_shifts_is_found_in_a_second_pass_that_asks_for_no_page_more_than_it_needs() {
    let mut asked = vec![];
    let ended = drive(10, 100, |page, limit, requests| {
        asked.push(page);
        lying(&Lie::Shift(2), 50, page, limit, requests)
    });
    assert!(ended.is_proven());
    assert_eq!(ended.seen.len(), 50);
    // The sixth page confirms the end; the first of the second pass holds what was missed.
    assert_eq!(asked, [1, 2, 3, 4, 5, 6, 1]);
}

/// Ten pages, of which those are hidden behind the first one, pass by pass.
fn hiding<'a>(hidden: &'a [&'a [u32]]) -> impl FnMut(u32, u64, usize) -> Answer + 'a {
    let mut pass = 0;
    move |page, limit, _| {
        pass += usize::from(page == 1);
        let hides = hidden.get(pass - 1).is_some_and(|hidden| hidden.contains(&page));
        let (_, has_more, total) = honest(100, page, limit);
        (honest(100, if hides { 1 } else { page }, limit).0, has_more, total)
    }
}

#[test]
fn a_page_that_was_hidden_in_two_passes_is_found_in_a_third_as_long_as_each_finds_something() {
    let ended = drive(10, 100, hiding(&[&[3, 7], &[7]]));
    assert!(ended.is_proven(), "{:?}", ended.listing.end());
    // The eleventh page confirms each end that is short of the total; the third pass ends with what was missed.
    assert_eq!((ended.seen.len(), ended.pages), (100, 11 + 10 + 7));
    let ended = drive(10, 100, hiding(&[&[7], &[7]]));
    assert_eq!((ended.is_proven(), ended.seen.len()), (false, 90), "the second found nothing");
}

#[test]
fn passes_that_each_find_something_are_made_up_to_a_bound() {
    let ended =
        drive(10, 100, hiding(&[&[2, 4, 6, 8, 10], &[4, 6, 8, 10], &[6, 8, 10], &[8, 10], &[10], &[]]));
    assert_eq!((ended.is_proven(), ended.seen.len()), (false, 90));
    assert_eq!(ended.pages, 11 + 10 * (MAX_PASSES as usize - 1));
    let ended = drive(10, 100, hiding(&[&[2, 4, 6, 8], &[4, 6, 8], &[6, 8], &[8], &[]]));
    assert!(ended.is_proven(), "{:?}", ended.listing.end());
}

#[test]
fn a_third_pass_after_a_total_that_changed_has_to_prove_the_listing_by_itself() {
    // A campaign of the first pass is gone, and the second pass hides a page; only the third shows all that there are.
    let mut pass = 0;
    let ended = drive(10, 100, |page, limit, asked| {
        pass += usize::from(page == 1);
        let (_, has_more, _) = honest(50, page, limit);
        let first = u64::from(if pass == 2 && page == 4 { 3 } else { page } - 1) * limit;
        let campaigns = if pass == 1 { 0 } else { 5 };
        (
            (first + campaigns..first + campaigns + limit).collect(),
            has_more,
            Some(if asked < 2 { 60 } else { 50 }),
        )
    });
    assert_eq!((ended.is_proven(), ended.seen.len(), pass), (true, 55, 3));
}

#[test]
fn a_second_pass_that_finds_more_than_the_total_proves_nothing() {
    let ended = drive(10, 100, |page, limit, asked| {
        let (ids, has_more, _) = lying(&Lie::RepeatsBefore(4, false), 50, page, limit, asked);
        (ids, has_more, Some(49))
    });
    assert_eq!((ended.is_proven(), ended.seen.len()), (false, 50));
    assert!(ended.message().contains("49") && ended.message().contains("50"), "{}", ended.message());
}

#[test]
fn a_listing_without_a_total_that_repeats_campaigns_is_not_proven() {
    let ended = drive(10, 100, |page, limit, _| {
        let (ids, has_more, _) = lying(&Lie::RepeatsBefore(2, true), 30, page, limit, 0);
        (ids, has_more, None)
    });
    assert_eq!((ended.is_proven(), ended.pages), (false, 3));
    assert!(ended.message().contains("does not say how many"), "{}", ended.message());
}

#[test]
fn three_pages_in_a_row_without_anything_new_are_the_end_and_two_are_not() {
    let ended = drive(10, 100, |page, limit, _| {
        let repeating = [1, 1, 1, 2, 2, 2, 3, 4, 5];
        let (ids, _, total) = honest(50, repeating[page as usize - 1], limit);
        (ids, page < 9, total)
    });
    assert_eq!((ended.is_proven(), ended.seen.len(), ended.pages), (true, 50, 9));
    let ended = drive(10, 100, |_, limit, _| (honest(50, 1, limit).0, true, None));
    assert_eq!((ended.is_proven(), ended.pages), (false, 1 + MAX_BARREN_PAGES as usize));
    assert!(ended.message().contains("nothing new"), "{}", ended.message());
}

#[test]
fn ever_new_campaigns_far_beyond_the_total_are_the_end() {
    let ended = drive(100, 100, |page, limit, _| (honest(u64::MAX, page, limit).0, true, Some(50)));
    assert_eq!((ended.is_proven(), ended.seen.len()), (false, 1200));
    assert!(ended.message().contains("50 campaigns, but listed 1200"), "{}", ended.message());
    let mut listing = Listing::new(NonZeroU32::MIN);
    listing.observe(&[0], MOST_WITHOUT_TOTAL, true, None);
    assert_eq!(listing.end(), None);
    listing.observe(&[1], 1, true, None);
    assert!(matches!(listing.end(), Some(Completeness::Unproven(_))));
}

#[test]
fn a_total_that_contradicts_the_pages_is_named_with_what_was_listed() {
    for lie in [Lie::TotalTooHigh(7), Lie::TotalTooLow(7)] {
        let ended = drive(10, 100, |page, limit, asked| lying(&lie, 50, page, limit, asked));
        assert_eq!(ended.seen.len(), 50, "every page was asked for");
        let total = ended.listing.reported_total.expect("it was reported").to_string();
        let message = ended.message();
        assert!(message.contains(&total) && message.contains("50 different"), "{message}");
    }
}

#[test]
fn a_total_that_changes_while_it_is_read_is_proven_by_a_second_pass_in_which_it_does_not() {
    // Campaigns that were created meanwhile.
    let ended = drive(10, 100, |page, limit, asked| honest(if asked < 2 { 40 } else { 45 }, page, limit));
    assert_eq!((ended.is_proven(), ended.seen.len(), ended.pages), (true, 45, 10));
}

#[test]
fn a_total_that_changes_in_each_pass_proves_nothing() {
    let ended = drive(10, 100, |page, limit, _| honest(if page < 3 { 40 } else { 45 }, page, limit));
    assert_eq!((ended.is_proven(), ended.seen.len()), (false, 45));
    assert!(ended.message().contains("the number changed each time"), "{}", ended.message());
}

#[test]
fn a_second_pass_that_shows_one_campaign_twice_and_another_never_proves_nothing() {
    // The total changes in the first pass; in the second, 9 stands on two pages and 40 on none.
    let ended = drive(10, 100, |page, limit, asked| {
        let (mut ids, has_more, _) = honest(41, page, limit);
        if page == 5 {
            ids = vec![9];
        }
        (ids, has_more, Some(if asked < 2 { 40 } else { 41 }))
    });
    assert_eq!((ended.is_proven(), ended.seen.len()), (false, 40));
}

#[test]
fn a_deleted_campaign_is_no_proof_that_the_listing_had_no_other() {
    // One that stood on the first page is gone before the second is read: another slips to the first, unseen.
    let ended = drive(10, 100, |page, limit, asked| {
        let (mut ids, has_more, _) = honest(40, page, limit);
        if asked == 0 {
            return (ids, has_more, Some(40));
        }
        ids = (1..40).skip(((page - 1) * 10) as usize).take(10).collect();
        (ids, has_more, Some(39))
    });
    assert_eq!((ended.is_proven(), ended.seen.len()), (true, 40));
}

#[test]
fn a_listing_that_is_broken_off_says_where_and_why_and_asks_for_nothing_more() {
    let mut listing = Listing::new(NonZeroU32::new(10).expect("not zero"));
    listing.observe(&[0; 10], 10, true, Some(50));
    listing.break_off("it said 503");
    assert_eq!(listing.next(), None);
    let Some(Completeness::Unproven(message)) = listing.end() else { panic!("{:?}", listing.end()) };
    assert!(message.contains("10 different ones on 1 pages"), "{message}");
    assert!(message.contains("page 2 could not be had: it said 503"), "{message}");
    let mut at_once = Listing::new(NonZeroU32::MIN);
    at_once.break_off("no connection");
    assert!(matches!(at_once.end(), Some(Completeness::Unproven(_))));
}
