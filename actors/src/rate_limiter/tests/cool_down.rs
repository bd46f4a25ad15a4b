//! After a 429.

use super::*;

#[test]
fn after_a_429_nobody_gets_a_permit_before_the_wait_that_the_platform_named_and_soon_after() {
    in_virtual_time(async {
        for seed in 0..50 {
            let limiter = limiter_seeded(&[limit(100, SECOND)], seed);
            limiter.do_send(CoolDown { retry_after: Some(30 * SECOND) });
            let wait = wait_of(&limiter).await;
            assert!((30 * SECOND..=30 * SECOND + COOL_DOWN_JITTER + TICK).contains(&wait), "{wait:?}");
            assert_eq!(wait_of(&limiter).await, Duration::ZERO, "it is over");
        }
    });
}

#[test]
fn without_a_hint_a_429_costs_the_longest_window_of_up_to_a_minute() {
    in_virtual_time(async {
        for (limits, expected) in [
            (vec![limit(100, SECOND), limit(1000, 20 * SECOND), limit(10_000, 60 * MINUTE)], 20 * SECOND),
            (vec![limit(10_000, 60 * MINUTE)], MINUTE),
            (vec![limit(100, MINUTE)], MINUTE),
            (vec![], MINUTE),
        ] {
            let limiter = limiter(&limits);
            limiter.do_send(CoolDown { retry_after: None });
            let wait = wait_of(&limiter).await;
            assert!((expected..=expected + COOL_DOWN_JITTER + TICK).contains(&wait), "{wait:?}");
        }
    });
}

#[test]
fn a_hint_beyond_belief_is_cut() {
    in_virtual_time(async {
        for hint in [LONGEST_COOL_DOWN + SECOND, Duration::from_secs(u64::MAX), Duration::MAX] {
            let limiter = limiter(&[]);
            limiter.do_send(CoolDown { retry_after: Some(hint) });
            let wait = wait_of(&limiter).await;
            let longest = LONGEST_COOL_DOWN + COOL_DOWN_JITTER + TICK;
            assert!((LONGEST_COOL_DOWN..=longest).contains(&wait), "{wait:?}");
        }
    });
}

#[test]
fn a_second_shorter_429_does_not_shorten_the_first_and_a_longer_one_prolongs_it() {
    in_virtual_time(async {
        for (first, second, due) in [(30, 1, 30), (1, 30, 30)] {
            let limiter = limiter(&[]);
            limiter.do_send(CoolDown { retry_after: Some(first * SECOND) });
            limiter.do_send(CoolDown { retry_after: Some(second * SECOND) });
            let wait = wait_of(&limiter).await;
            assert!((due * SECOND..=(due + 1) * SECOND + TICK).contains(&wait), "{wait:?}");
        }
    });
}

#[test]
fn a_429_reaches_those_who_wait_already() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(1, SECOND)]);
        send(&limiter).await;
        let (waiting, begun) = (ask(&limiter), Instant::now());
        tally(&limiter).await;
        limiter.do_send(CoolDown { retry_after: Some(30 * SECOND) });
        assert!(waiting.await.expect("it is alive").is_ok());
        assert!(begun.elapsed() >= 30 * SECOND);
    });
}
