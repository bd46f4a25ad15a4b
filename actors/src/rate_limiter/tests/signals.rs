//! What the platform says about its limits makes the limiter stricter, and nothing else.

use proptest::prelude::*;
use std::rc::Rc;
use std::sync::Arc;

use super::*;
use crate::quota_signals::Remaining;

const NAME: &str = "default";

fn left(requests: u64, renewed_in: Duration) -> QuotaSignals {
    let remaining = Remaining::new(NAME, requests, renewed_in).expect("in range");
    QuotaSignals { remaining: vec![remaining], policies: vec![] }
}

fn states(policy: RateLimit) -> QuotaSignals {
    QuotaSignals { remaining: vec![], policies: vec![policy] }
}

async fn sent(limiter: &Addr<RateLimiter>) -> Permit {
    let mut permit = permit(limiter).await;
    permit.mark_sent();
    permit
}

/// Sends one request whose answer says this.
async fn send_and_hear(limiter: &Addr<RateLimiter>, signals: QuotaSignals) {
    let permit = sent(limiter).await;
    permit.heard(signals);
    permit.answered(Answer::Succeeded);
}

/// How many permits there are at once; they are kept.
async fn free(limiter: &Addr<RateLimiter>) -> Vec<Permit> {
    let mut free = vec![];
    while let Ok(permit) = timeout(ms(1), ask(limiter)).await {
        free.push(permit.expect("it is alive").expect("its door is open"));
        assert!(free.len() < 1000, "there is no end to them");
    }
    free
}

#[test]
fn less_left_than_our_own_log_thinks_is_kept_until_the_renewal_and_then_our_own_log_decides_again() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(10, MINUTE)]);
        send_and_hear(&limiter, left(3, 20 * SECOND)).await;
        let begun = Instant::now();
        for due in [0, 0, 0, 20_005, 20_005, 20_005, 20_005, 20_005, 20_005, 60_061] {
            send(&limiter).await;
            let (actual, due) = (begun.elapsed(), ms(due));
            assert!((due..=due + 5 * TICK).contains(&actual), "{actual:?} instead of {due:?}");
        }
    });
}

#[test]
fn as_much_or_more_left_than_our_own_log_thinks_changes_nothing() {
    in_virtual_time(async {
        for said in [0, 1, 1_000_000, u64::MAX] {
            let limiter = limiter(&[limit(1, SECOND)]);
            send_and_hear(&limiter, left(said, 10 * MINUTE)).await;
            assert_due(wait_of(&limiter).await, ms(1002));
        }
    });
}

#[test]
fn without_a_limit_what_is_left_counts_too() {
    in_virtual_time(async {
        let limiter = limiter(&[]);
        send_and_hear(&limiter, left(4, MINUTE)).await;
        let held = free(&limiter).await;
        assert_eq!(held.len(), 4);
        let begun = Instant::now();
        drop(permit_after(&limiter, held).await);
        assert_eq!(begun.elapsed(), Duration::ZERO, "what is given back is left again");
    });
}

/// Gives one of these back to whoever asks then.
async fn permit_after(limiter: &Addr<RateLimiter>, mut held: Vec<Permit>) -> Permit {
    let waiting = ask(limiter);
    tally(limiter).await;
    drop(held.pop());
    let permit = waiting.await.expect("it is alive").expect("its door is open");
    // The others are none of this test's business.
    held.into_iter().for_each(std::mem::forget);
    permit
}

#[test]
fn what_left_after_the_request_that_brought_the_word_is_taken_off_it_and_what_left_before_is_not() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(50, MINUTE)]);
        let before = [sent(&limiter).await, sent(&limiter).await, sent(&limiter).await];
        let bearer = sent(&limiter).await;
        let after = [sent(&limiter).await, sent(&limiter).await];
        let unsent = permit(&limiter).await;
        bearer.heard(left(10, MINUTE));
        // 10, less two that left later and one that will.
        assert_eq!(free(&limiter).await.len(), 7);
        // Answered or not, they have been counted once.
        after.into_iter().for_each(|permit| permit.answered(Answer::Succeeded));
        before.into_iter().for_each(|permit| permit.answered(Answer::Rejected));
        tally(&limiter).await;
        assert_eq!(free(&limiter).await.len(), 7, "given back by the line above it, and no more");
        drop(unsent);
        tally(&limiter).await;
        assert_eq!(free(&limiter).await.len(), 8);
    });
}

#[test]
fn the_word_of_the_request_that_left_last_holds_whichever_comes_last() {
    in_virtual_time(async {
        for (older, newer, expected) in [(0, 8, 8), (8, 0, 0), (0, 1000, 18)] {
            let limiter = limiter(&[limit(20, MINUTE)]);
            let (first, second) = (sent(&limiter).await, sent(&limiter).await);
            first.heard(left(older, MINUTE));
            second.heard(left(newer, MINUTE));
            tally(&limiter).await;
            assert_eq!(free(&limiter).await.len(), expected, "{older}, then {newer}");
        }
        // The other way round, the older word comes too late.
        let limiter = limiter(&[limit(20, MINUTE)]);
        let (first, second) = (sent(&limiter).await, sent(&limiter).await);
        second.heard(left(8, MINUTE));
        first.heard(left(2, MINUTE));
        tally(&limiter).await;
        assert_eq!(free(&limiter).await.len(), 8);
    });
}

#[test]
fn each_policy_has_its_own_word_and_the_least_holds() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(100, MINUTE)]);
        let remaining = [("burst", 5, 2), ("hour", 8, 600)]
            .map(|(name, n, s)| Remaining::new(name, n, s * SECOND).expect("in range"));
        let bearer = sent(&limiter).await;
        bearer.heard(QuotaSignals { remaining: remaining.into(), policies: vec![] });
        bearer.answered(Answer::Rejected);
        let begun = Instant::now();
        for due in [0, 0, 0, 0, 0, 2005, 2005, 2005, 600_005] {
            send(&limiter).await;
            let (actual, due) = (begun.elapsed(), ms(due));
            assert!((due..=due + 5 * TICK).contains(&actual), "{actual:?} instead of {due:?}");
        }
    });
}

#[test]
fn a_liar_that_never_leaves_anything_only_makes_it_as_slow_as_its_longest_cool_down() {
    in_virtual_time(async {
        for limits in [vec![], vec![limit(10, MINUTE)]] {
            let limiter = limiter(&limits);
            let begun = Instant::now();
            for n in 0..5 {
                send_and_hear(&limiter, left(0, LONGEST_COOL_DOWN)).await;
                assert!(begun.elapsed() <= n * (LONGEST_COOL_DOWN + ms(10)), "{:?}", begun.elapsed());
            }
        }
        // Nor does one that names another policy each time: the ninth is not heard.
        let limiter = limiter(&[limit(50, MINUTE)]);
        let bearer = sent(&limiter).await;
        for n in 0..9 {
            let requests = if n == 8 { 0 } else { 20 };
            let remaining = Remaining::new(&n.to_string(), requests, MINUTE).expect("in range");
            bearer.heard(QuotaSignals { remaining: vec![remaining], policies: vec![] });
        }
        tally(&limiter).await;
        assert_eq!(free(&limiter).await.len(), 20);
    });
}

#[test]
fn a_tighter_limit_that_the_platform_states_is_kept_from_what_was_sent_so_far() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(20, SECOND)]);
        for _ in 0..2 {
            send(&limiter).await;
        }
        let in_flight = sent(&limiter).await;
        let unsent = permit(&limiter).await;
        send_and_hear(&limiter, states(limit(10, SECOND))).await;
        assert_eq!(free(&limiter).await.len(), 5);
        drop(unsent);
        tally(&limiter).await;
        assert_eq!(free(&limiter).await.len(), 6);
        sleep(SECOND + ms(5)).await;
        assert_eq!(free(&limiter).await.len(), 9, "one is in flight still");
        in_flight.answered(Answer::Succeeded);
        let learned = learned(&limiter).await;
        assert_eq!(learned, [limit(10, SECOND)]);
    });
}

#[test]
fn who_has_more_in_the_window_than_a_learned_limit_allows_waits_until_enough_have_left_it() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(20, SECOND)]);
        for _ in 0..15 {
            send(&limiter).await;
            sleep(ms(10)).await;
        }
        // Stamps at 0, 10 … 150 ms; with ten to the window, that at 60 ms has to leave it.
        send_and_hear(&limiter, states(limit(10, SECOND))).await;
        let now = ms(150 + 16); // of the 16 timers' rounding
        let wait = wait_of(&limiter).await;
        assert!((ms(1065) - now..=ms(1065 + 20) - ms(150)).contains(&wait), "{wait:?}");
    });
}

#[test]
fn what_was_sent_before_anything_was_remembered_counts_from_when_the_limit_is_learned() {
    in_virtual_time(async {
        let unlimited = limiter(&[]);
        for _ in 0..3 {
            send(&unlimited).await;
        }
        let in_flight = [sent(&unlimited).await, sent(&unlimited).await];
        sleep(10 * SECOND).await;
        send_and_hear(&unlimited, states(limit(10, MINUTE))).await;
        assert_eq!(free(&unlimited).await.len(), 4);
        drop(in_flight);

        let short = limiter(&[limit(10, SECOND)]);
        for _ in 0..30 {
            send(&short).await;
        }
        send_and_hear(&short, states(limit(35, 60 * MINUTE))).await;
        assert_eq!(free(&short).await.len(), 4);
    });
}

#[test]
fn a_limit_that_is_kept_anyway_is_not_learned() {
    in_virtual_time(async {
        let day = 1440 * MINUTE;
        for (configured, stated, is_new) in [
            (vec![limit(10, MINUTE)], limit(10, MINUTE), false),
            (vec![limit(10, MINUTE)], limit(11, MINUTE), false),
            (vec![limit(10, MINUTE)], limit(9, MINUTE), true),
            (vec![limit(10, MINUTE)], limit(100, SECOND), false),
            (vec![limit(10, MINUTE)], limit(9, SECOND), true),
            (vec![limit(10, MINUTE)], limit(20, 2 * MINUTE), false),
            (vec![limit(10, MINUTE)], limit(19, 2 * MINUTE), true),
            (vec![limit(10, MINUTE)], limit(10, MINUTE + SECOND), true),
            (vec![limit(10, MINUTE)], limit(14_400, day), false),
            (vec![limit(10, MINUTE)], limit(1000, day), true),
            (vec![limit(10, MINUTE), limit(1000, day)], limit(1000, day), false),
            (vec![limit(100, MINUTE), limit(50, day)], limit(70, MINUTE), false),
            (vec![], limit(1_000_000, SECOND), true),
        ] {
            let limiter = limiter(&configured);
            for _ in 0..2 {
                send_and_hear(&limiter, states(stated)).await;
            }
            assert_eq!(learned(&limiter).await == [stated], is_new, "{stated} besides {configured:?}");
        }
    });
}

#[test]
fn a_platform_that_states_another_limit_each_time_is_not_listened_to_for_ever() {
    in_virtual_time(async {
        let limiter = limiter(&[]);
        let bearer = sent(&limiter).await;
        for n in 1..=100 {
            bearer.heard(states(limit(1000 - n, MINUTE)));
        }
        let learned = learned(&limiter).await;
        assert_eq!(learned, (992..1000).rev().map(|n| limit(n, MINUTE)).collect::<Vec<_>>());
    });
}

#[test]
fn a_short_window_that_the_platform_states_does_not_bring_the_less_safe_stamps_to_the_configured_limit() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(1, 10 * SECOND)]);
        // 300 ms each: little against ten seconds, much against one.
        for _ in 0..40 {
            let permit = sent(&limiter).await;
            permit.heard(states(limit(1000, SECOND)));
            permit.heard(states(limit(1, 11 * SECOND)));
            sleep(ms(300)).await;
            permit.answered(Answer::Succeeded);
        }
        assert_due(wait_of(&limiter).await, ms(11_011));
        assert_eq!(learned(&limiter).await, [limit(1, 11 * SECOND)]);
    });
}

#[test]
fn who_watches_is_told_that_the_platforms_word_is_what_is_waited_for() {
    in_virtual_time(async {
        let progress = Arc::new(unwatched());
        let watcher = progress.subscribe();
        let limiter = RateLimiter::new(&[], TIMEOUT, Jitter::seeded(1), progress).start();
        let begun = Instant::now();
        send_and_hear(&limiter, left(0, MINUTE)).await;
        let sooner = Remaining::new("sooner", 0, SECOND).expect("in range");
        let bearer = sent(&limiter).await;
        bearer.heard(left(0, MINUTE));
        bearer.heard(QuotaSignals { remaining: vec![sooner], policies: vec![] });
        let begun = begun + MINUTE + ms(5);
        let waiting = ask(&limiter);
        tally(&limiter).await;
        let quota = watcher.borrow().quota.clone().expect("somebody waits");
        assert_eq!(quota.because, "what the platform says is left");
        assert_eq!(quota.until, Some(begun + MINUTE + ms(5)));
        drop(waiting);
    });
}

/// A platform with a fixed window, which others have used so much of already. It counts and states on arrival.
#[derive(Clone, Copy, Debug)]
struct Shared {
    quota: u64,
    window: Duration,
    used_by_others: u64,
}

/// How many requests it had to refuse in its first window.
async fn refusals(shared: Shared, workers: usize, latencies: Vec<u64>) -> u64 {
    use std::cell::Cell;
    let Shared { quota, window, used_by_others } = shared;
    let limiter = limiter(&[limit(u32::try_from(quota).expect("small"), window)]);
    let begun = Instant::now();
    let used = Rc::new(Cell::new(used_by_others));
    let refused = Rc::new(Cell::new(0));
    let arrive = {
        let (used, refused) = (used.clone(), refused.clone());
        move || {
            let renewed_in = window.checked_sub(begun.elapsed()).filter(|left| !left.is_zero())?;
            if used.get() < quota {
                used.set(used.get() + 1);
            } else {
                refused.set(refused.get() + 1);
            }
            Some(left(quota - used.get(), renewed_in))
        }
    };
    let request = async |latency| {
        let permit = sent(&limiter).await;
        let signals = arrive();
        sleep(ms(latency)).await;
        permit.heard(signals.unwrap_or_default());
        permit.answered(Answer::Succeeded);
    };
    request(5).await;
    let latencies = Rc::new(std::cell::RefCell::new(latencies));
    let workers = (0..workers).map(|_| async {
        loop {
            let Some(latency) = latencies.borrow_mut().pop() else { return };
            request(latency).await;
        }
    });
    futures_util::future::join_all(workers).await;
    refused.get()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn once_heard_what_others_use_of_the_quota_costs_no_429(
        quota in 2u64..40,
        share_of_others in 0u64..100,
        workers in 1usize..12,
        latencies in proptest::collection::vec(0u64..2000, 1..80),
    ) {
        let shared = Shared { quota, window: MINUTE, used_by_others: (quota - 1) * share_of_others / 100 };
        prop_assert_eq!(in_virtual_time(refusals(shared, workers, latencies)), 0);
    }
}
