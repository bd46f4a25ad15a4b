//! Places for requests in flight, which accounts share.

use tokio::sync::Semaphore;

use super::restart::Stumble;
use super::*;
use crate::settings::RestartIntensity;
use crate::supervision::{ActorKind, guard};
use crate::testing::witness;

fn among(places: &Arc<Semaphore>, limits: &[RateLimit]) -> RateLimiter {
    RateLimiter::new(limits, TIMEOUT, Jitter::seeded(1), Arc::new(unwatched())).among(places.clone())
}

#[test]
fn a_permit_holds_a_place_until_its_request_is_over_however_that_ends() {
    in_virtual_time(async {
        let places = Arc::new(Semaphore::new(2));
        let limiter = among(&places, &[]).start();
        let ends: [fn(Permit); 5] = [
            drop,
            |permit| permit.answered(Answer::Succeeded),
            |permit| permit.timed_out(),
            |permit| permit.disconnected(),
            |mut permit| {
                permit.mark_sent();
                drop(permit);
            },
        ];
        for end in ends {
            let held = permit(&limiter).await;
            assert_eq!(places.available_permits(), 1);
            end(held);
            tally(&limiter).await;
            assert_eq!(places.available_permits(), 2);
        }
        // One whose asker has gone when it comes.
        drop(ask(&limiter));
        tally(&limiter).await;
        assert_eq!(places.available_permits(), 2);
    });
}

#[test]
fn who_waits_for_a_place_gets_it_when_one_is_free_and_says_what_for() {
    in_virtual_time(async {
        let places = Arc::new(Semaphore::new(1));
        let progress = Arc::new(unwatched());
        let watcher = progress.subscribe();
        let limiter = RateLimiter::new(&[], TIMEOUT, Jitter::seeded(1), progress);
        let limiter = limiter.among(places.clone()).start();
        let other = among(&places, &[]).start();
        let held = permit(&other).await;
        let waiting = ask(&limiter);
        tally(&limiter).await;
        let quota = watcher.borrow().quota.clone().expect("it waits");
        assert_eq!(
            (quota.waiting, quota.until, quota.because.as_str()),
            (1, None, "other accounts' requests")
        );
        sleep(SECOND).await;
        let freed = Instant::now();
        drop(held);
        let granted = waiting.await.expect("it is alive").expect("its door is open");
        assert_eq!(freed.elapsed(), Duration::ZERO);
        assert_eq!(watcher.borrow().quota, None);
        drop(granted);
    });
}

#[test]
fn accounts_take_turns_however_many_of_one_wait() {
    in_virtual_time(async {
        let places = Arc::new(Semaphore::new(1));
        let (large, small) = (among(&places, &[]).start(), among(&places, &[]).start());
        let held = permit(&large).await;
        let order = Rc::new(std::cell::RefCell::new(vec![]));
        let mut asked: Vec<_> = (0..6).map(|_| ("large", ask(&large))).collect();
        tally(&large).await;
        asked.extend((0..2).map(|_| ("small", ask(&small))));
        tally(&small).await;
        let sent = asked.into_iter().map(|(name, reply)| {
            let order = order.clone();
            actix::spawn(async move {
                let mut permit = reply.await.expect("it is alive").expect("its door is open");
                permit.mark_sent();
                order.borrow_mut().push(name);
                sleep(SECOND).await;
                permit.answered(Answer::Succeeded);
            })
        });
        let sent: Vec<_> = sent.collect();
        drop(held);
        for sent in sent {
            sent.await.expect("it does not panic");
        }
        assert_eq!(*order.borrow(), ["large", "small", "large", "small", "large", "large", "large", "large"]);
    });
}

#[test]
fn who_waits_for_a_limit_holds_no_place_and_queues_for_none() {
    in_virtual_time(async {
        let places = Arc::new(Semaphore::new(1));
        let (limited, free) = (among(&places, &[limit(1, MINUTE)]).start(), among(&places, &[]).start());
        send(&limited).await;
        let waiting = ask(&limited);
        tally(&limited).await;
        assert_eq!(places.available_permits(), 1);
        // Taken when the limit would let it go: then it queues.
        let held = permit(&free).await;
        sleep(2 * MINUTE).await;
        let other = ask(&free);
        tally(&free).await;
        drop(held);
        assert!(waiting.await.expect("it is alive").is_ok(), "it came first");
        assert!(other.await.expect("it is alive").is_ok());
    });
}

#[test]
fn a_place_that_comes_when_nobody_needs_it_any_more_goes_to_the_next() {
    in_virtual_time(async {
        let places = Arc::new(Semaphore::new(1));
        let (gone, next) = (among(&places, &[]).start(), among(&places, &[]).start());
        let held = permit(&next).await;
        let waiting = [ask(&gone), ask(&gone)];
        tally(&gone).await;
        let reply = ask(&next);
        tally(&next).await;
        drop(waiting);
        drop(held);
        assert!(timeout(SECOND, reply).await.expect("it is served").expect("it is alive").is_ok());
        tally(&gone).await;
        assert_eq!(places.available_permits(), 1);
    });
}

#[test]
fn a_limiter_that_panics_while_it_waits_for_a_place_goes_on_and_leaves_none_lost() {
    in_virtual_time(async {
        let places = Arc::new(Semaphore::new(1));
        let (supervisor, crashes) = witness();
        let intensity = RestartIntensity::SINGLETON;
        let (limiter, life) = guard(ActorKind::RateLimiter, intensity, supervisor, among(&places, &[]));
        let other = among(&places, &[]).start();
        // The place comes while it is down, and after it is back.
        for freed_after in [ms(0), ms(50), SECOND] {
            let held = permit(&other).await;
            let waiting = ask(&limiter);
            tally(&limiter).await;
            limiter.do_send(Stumble);
            sleep(freed_after).await;
            drop(held);
            let granted =
                timeout(MINUTE, waiting).await.expect("it is served").expect("the reply was not lost");
            drop(granted.expect("its door is open"));
            tally(&limiter).await;
            assert_eq!(places.available_permits(), 1, "freed after {freed_after:?}");
        }
        assert_eq!(crashes.borrow().len(), 3);
        // One that ends while it waits takes its question with it.
        let held = permit(&other).await;
        let _waiting = ask(&limiter);
        tally(&limiter).await;
        life.abort();
        tokio::task::yield_now().await;
        let reply = ask(&other);
        tally(&other).await;
        drop(held);
        assert!(timeout(SECOND, reply).await.expect("it is served").expect("it is alive").is_ok());
    });
}
