//! Both stamp rules, end to end: how close to the limit they come, against a platform that counts on arrival.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::*;
use crate::lower_bound::lower_bound;

/// What the platform saw: when each request arrived.
async fn arrivals(
    limits: &[RateLimit],
    requests: u32,
    workers: u32,
    // Of the n-th request: the way there, and the way back.
    way: impl Fn(u32) -> (Duration, Duration) + Copy + 'static,
) -> Vec<Duration> {
    let (limiter, begun) = (limiter(limits), Instant::now());
    let (arrivals, left) = (Rc::new(RefCell::new(vec![])), Rc::new(Cell::new(requests)));
    let workers: Vec<_> = (0..workers)
        .map(|_| {
            let (limiter, arrivals, left) = (limiter.clone(), arrivals.clone(), left.clone());
            actix::spawn(async move {
                while left.get() > 0 {
                    let number = left.replace(left.get() - 1);
                    let mut permit = permit(&limiter).await;
                    permit.mark_sent();
                    let (there, back) = way(number);
                    sleep(there).await;
                    arrivals.borrow_mut().push(begun.elapsed());
                    sleep(back).await;
                    permit.answered(Answer::Succeeded);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("it does not panic");
    }
    arrivals.take()
}

fn check(limits: &[RateLimit], arrivals: &[Duration]) {
    let mut sorted = arrivals.to_vec();
    sorted.sort();
    for limit in limits {
        for (first, last) in sorted.iter().zip(sorted.iter().skip(limit.requests())) {
            assert!(*last - *first >= limit.window(), "one too many in {:?}", *last - *first);
        }
    }
    let makespan = sorted.last().copied().unwrap_or_default() - sorted.first().copied().unwrap_or_default();
    let share = lower_bound(arrivals.len() as u64, limits).as_secs_f64() / makespan.as_secs_f64();
    assert!((0.95..=1.0).contains(&share), "{share} of what the limit allows");
}

#[test]
fn short_windows_against_long_latencies_come_close_to_the_limit_and_stay_within_it() {
    in_virtual_time(async {
        // 310 to 320 ms, of which the platform counts at 300 to 305 ms.
        let way = |n: u32| (ms(300 + u64::from(n) * 7 % 6), ms(10 + u64::from(n) * 3 % 6));
        let limits = [limit(10, SECOND)];
        check(&limits, &arrivals(&limits, 600, 64, way).await);
        let limits = [limit(5, SECOND), limit(200, MINUTE)];
        check(&limits, &arrivals(&limits, 800, 64, way).await);
    });
}

#[test]
fn long_windows_come_close_to_the_limit_with_stamps_at_completion() {
    in_virtual_time(async {
        let way = |n: u32| (ms(u64::from(n) * 997 % 2000), ms(u64::from(n) * 331 % 500));
        let limits = [limit(10, MINUTE)];
        check(&limits, &arrivals(&limits, 300, 16, way).await);
    });
}

#[test]
fn many_429s_make_it_careful_and_never_stop_it() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(2, SECOND)]);
        for n in 0..200 {
            let mut permit = timeout(MINUTE, permit(&limiter)).await.expect("it goes on");
            permit.mark_sent();
            sleep(ms(100 + n % 2 * 4900)).await;
            permit.answered(if n % 3 == 0 { Answer::Throttled } else { Answer::Succeeded });
        }
        // Nor does a request that was dropped then block its slot for longer than it could have been on its way.
        for _ in 0..2 {
            permit(&limiter).await.mark_sent();
        }
        let wait = wait_of(&limiter).await;
        assert!(wait <= TIMEOUT + 2 * SECOND, "{wait:?}");
    });
}
