//! A platform that counts each request whenever it hurts most, while the rule is to stamp at completion.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::{collection, prop_oneof};

use super::*;
use crate::quota_signals::Remaining;

#[derive(Clone, Copy, Debug)]
enum Course {
    Answered(Answer),
    /// Whoever sent it goes away in the middle.
    Dropped,
    NeverAnswered,
    /// Given back after a while.
    NeverSent,
    /// Does not wait for the permit for longer than this share of a minute.
    Impatient,
}

/// All times in thousandths of the longest latency.
#[derive(Clone, Copy, Debug)]
struct Plan {
    course: Course,
    endpoint: Endpoint,
    hesitation: u32,
    latency: u32,
    counted: u32,
    throttled: bool,
    /// Requests left and the milliseconds until there are more; quota and milliseconds of a policy.
    lies: Option<(u64, u64, u32, u64)>,
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let course = prop_oneof![
        6 => Just(Course::Answered(Answer::Succeeded)),
        2 => Just(Course::Answered(Answer::Rejected)),
        1 => Just(Course::Dropped),
        1 => Just(Course::NeverAnswered),
        1 => Just(Course::NeverSent),
        1 => Just(Course::Impatient),
    ];
    let endpoint = prop_oneof![Just(Endpoint::Auth), Just(Endpoint::List), Just(Endpoint::Sync)];
    // The ends of an interval are where it breaks.
    let share = || prop_oneof![Just(0), Just(1000), 0u32..=1000];
    let lies = proptest::option::of((0u64..20, 1u64..900_000, 1u32..20, 10u64..600_000));
    let hesitation = prop_oneof![3 => Just(0), 1 => 0u32..1000];
    let plan = (course, endpoint, hesitation, share(), share(), 0u32..40, lies).prop_map(
        |(course, endpoint, hesitation, latency, counted, luck, lies)| Plan {
            course,
            endpoint,
            hesitation,
            latency,
            counted,
            throttled: luck == 0,
            lies,
        },
    );
    collection::vec(plan, 1..50)
}

/// When the platform counted what was sent.
async fn play(limits: &[RateLimit], longest: Duration, workers: usize, plans: Vec<Plan>) -> Vec<Duration> {
    let limiter = RateLimiter::new(limits, longest, Jitter::seeded(1), Arc::new(unwatched())).start();
    play_with(&limiter, longest, workers, plans, Duration::ZERO).await
}

async fn play_with(
    limiter: &Addr<RateLimiter>,
    longest: Duration,
    workers: usize,
    plans: Vec<Plan>,
    so_far: Duration,
) -> Vec<Duration> {
    let begun = Instant::now();
    let plans = Rc::new(RefCell::new(VecDeque::from(plans)));
    let counted = Rc::new(RefCell::new(vec![]));
    let workers: Vec<_> = (0..workers)
        .map(|_| {
            let (limiter, plans, counted) = (limiter.clone(), plans.clone(), counted.clone());
            actix::spawn(async move {
                loop {
                    let Some(plan) = plans.borrow_mut().pop_front() else { return };
                    let share = |thousandths| longest * thousandths / 1000;
                    let permit = acquire_permit(&limiter, plan.endpoint, plan.latency % 2 == 0);
                    let patience = match plan.course {
                        Course::Impatient => share(plan.latency),
                        _ => 366 * 86_400 * SECOND,
                    };
                    let mut permit = match (timeout(patience, permit).await, plan.course) {
                        (Ok(permit), _) => permit.expect("its door is open"),
                        (Err(_), Course::Impatient) => continue,
                        (Err(_), _) => panic!("a waiter is lost"),
                    };
                    sleep(share(plan.hesitation)).await;
                    if let Course::NeverSent = plan.course {
                        continue;
                    }
                    permit.mark_sent();
                    let sent = begun.elapsed();
                    let (in_flight, countable) = match plan.course {
                        Course::Answered(_) | Course::Impatient => (share(plan.latency), share(plan.latency)),
                        Course::Dropped | Course::NeverSent => (share(plan.latency), longest),
                        Course::NeverAnswered => (longest, longest),
                    };
                    counted.borrow_mut().push(so_far + sent + countable * plan.counted / 1000);
                    sleep(in_flight).await;
                    if let Some((requests, renewed_in, quota, window)) = plan.lies {
                        let remaining = Remaining::new("", requests, ms(renewed_in)).expect("in range");
                        let policies = vec![limit(quota, ms(window))];
                        permit.heard(QuotaSignals { remaining: vec![remaining], policies });
                    }
                    match plan.course {
                        Course::Answered(answer) => permit.answered(answer),
                        Course::Impatient => permit.answered(Answer::Succeeded),
                        Course::NeverAnswered => permit.timed_out(),
                        Course::Dropped | Course::NeverSent => drop(permit),
                    }
                    if plan.throttled {
                        limiter.do_send(CoolDown { retry_after: Some(share(plan.latency)) });
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("it does not panic");
    }
    counted.take()
}

fn check(limits: &[RateLimit], mut counted: Vec<Duration>) -> Result<(), TestCaseError> {
    counted.sort();
    for limit in limits {
        for (first, last) in counted.iter().zip(counted.iter().skip(limit.requests())) {
            let span = *last - *first;
            prop_assert!(span >= limit.window(), "one more than {} in {:?}", limit, span);
        }
        refused_by_fixed_windows(*limit, &counted)?;
        refused_by_a_token_bucket(*limit, &counted)?;
    }
    Ok(())
}

/// Platforms count by the clock, too, whichever moment their windows begin at.
fn refused_by_fixed_windows(limit: RateLimit, counted: &[Duration]) -> Result<(), TestCaseError> {
    for begin in [Duration::ZERO, limit.window() / 3, limit.window() / 2] {
        let window = |at: &Duration| (*at + begin).as_nanos() / limit.window().as_nanos();
        for in_window in counted.chunk_by(|one, next| window(one) == window(next)) {
            prop_assert!(
                in_window.len() <= limit.requests(),
                "{} of {} by the clock",
                in_window.len(),
                limit
            );
        }
    }
    Ok(())
}

/// Or by a bucket that holds a window's requests and fills as fast as they may be used. In nanoseconds of filling, so
/// that nothing is rounded.
fn refused_by_a_token_bucket(limit: RateLimit, counted: &[Duration]) -> Result<(), TestCaseError> {
    let (a_token, requests) = (limit.window().as_nanos(), limit.requests() as u128);
    let full = a_token * requests;
    let (mut tokens, mut before) = (full, Duration::ZERO);
    for at in counted {
        tokens = full.min(tokens + (*at - before).as_nanos() * requests);
        prop_assert!(tokens >= a_token, "{} finds the bucket empty at {:?}", limit, at);
        (tokens, before) = (tokens - a_token, *at);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_window_ever_holds_too_many(
        limits in collection::vec((1u32..10, 10u64..60_000), 1..=2),
        share_of_window in 1u32..=48,
        workers in 1usize..12,
        plans in plans(),
    ) {
        let limits: Vec<RateLimit> = limits.into_iter().map(|(n, window)| limit(n, ms(window))).collect();
        // On average below what stamping at completion may cost, so that it stays the rule.
        let shortest = limits.iter().map(|limit| limit.window()).min().expect("one at least");
        let longest = shortest * share_of_window / 1000;
        check(&limits, in_virtual_time(play(&limits, longest, workers, plans)))?;
    }

    #[test]
    fn no_window_ever_holds_too_many_while_long_latencies_are_still_being_measured(
        limits in collection::vec((1u32..10, 10u64..60_000), 1..=2),
        longest in 1u64..100_000,
        workers in 1usize..12,
        mut plans in plans(),
    ) {
        plans.truncate(19);
        let limits: Vec<RateLimit> = limits.into_iter().map(|(n, window)| limit(n, ms(window))).collect();
        check(&limits, in_virtual_time(play(&limits, ms(longest), workers, plans)))?;
    }

    #[test]
    fn no_window_of_a_limit_that_only_the_platform_named_ever_holds_too_many(
        configured in proptest::option::of((1u32..100, 10u64..60_000)),
        stated in (1u32..10, 10u64..60_000),
        longest in 1u64..100_000,
        before in 0usize..3,
        workers in 1usize..12,
        mut plans in plans(),
    ) {
        plans.truncate(16);
        plans.iter_mut().for_each(|plan| plan.lies = None);
        let configured: Vec<RateLimit> = configured.into_iter().map(|(n, window)| limit(n, ms(window))).collect();
        let stated = limit(stated.0, ms(stated.1));
        let counted = in_virtual_time(async {
            let longest = ms(longest);
            let limiter =
                RateLimiter::new(&configured, longest, Jitter::seeded(1), Arc::new(unwatched())).start();
            // It is stated while as many requests as it allows, and no more, are on their way or answered.
            let begun = Instant::now();
            let mut in_flight = vec![];
            let room = configured.iter().chain([&stated]).map(|limit| limit.requests() - 1).min();
            for _ in 0..before.min(room.unwrap_or(0)) {
                let mut permit = permit(&limiter).await;
                permit.mark_sent();
                in_flight.push(permit);
            }
            let mut bearer = permit(&limiter).await;
            bearer.mark_sent();
            sleep(longest / 2).await;
            bearer.heard(QuotaSignals { remaining: vec![], policies: vec![stated] });
            bearer.answered(Answer::Succeeded);
            let mut counted = vec![begun.elapsed(); in_flight.len() + 1];
            in_flight.into_iter().for_each(|permit| permit.answered(Answer::Rejected));
            counted.extend(play_with(&limiter, longest, workers, plans, begun.elapsed()).await);
            counted
        });
        check(&[stated], counted)?;
    }
}
