//! The limiter as an actor, on a clock that only passes when nobody has anything to do.

mod adversarial_platform;
mod auto;
mod cool_down;
mod leases;
mod places;
mod remembered;
mod restamping;
mod restart;
mod signals;
mod throughput;

use actix::Addr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::oneshot::Receiver;
use tokio::time::{sleep, timeout};

use super::*;
use crate::testing::{in_virtual_time, limit, unwatched};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);

/// As many ask at once as the tests have workers, or more.
const ASKERS: usize = 64;

/// A timer fires on a millisecond.
const TICK: Duration = Duration::from_millis(2);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn limiter(limits: &[RateLimit]) -> Addr<RateLimiter> {
    limiter_seeded(limits, 1)
}

fn limiter_seeded(limits: &[RateLimit], seed: u64) -> Addr<RateLimiter> {
    RateLimiter::new(limits, TIMEOUT, Jitter::seeded(seed), Arc::new(unwatched())).start()
}

type Reply = Receiver<Result<Permit, DoorClosed>>;

fn ask_as(limiter: &Addr<RateLimiter>, endpoint: Endpoint, retry: bool) -> Reply {
    let (reply, permit) = oneshot::channel();
    limiter.do_send(AcquirePermit { endpoint, retry, reply });
    permit
}

fn ask(limiter: &Addr<RateLimiter>) -> Reply {
    ask_as(limiter, Endpoint::Sync, false)
}

async fn permit(limiter: &Addr<RateLimiter>) -> Permit {
    // A waiter that is lost waits for ever: the clock then goes to the end of this.
    let permit = timeout(30 * 86_400 * SECOND, ask(limiter)).await.expect("no waiter is lost");
    permit.expect("it is alive").expect("its door is open")
}

/// Takes a permit, sends, and is answered at once.
async fn send(limiter: &Addr<RateLimiter>) {
    let mut permit = permit(limiter).await;
    permit.mark_sent();
    permit.answered(Answer::Succeeded);
}

/// Sends one request whose answer states these limits.
async fn hears(limiter: &Addr<RateLimiter>, endpoint: Endpoint, policies: &[RateLimit]) {
    let permit = ask_as(limiter, endpoint, false).await;
    let mut permit = permit.expect("it is alive").expect("its door is open");
    permit.mark_sent();
    permit.heard(QuotaSignals { remaining: vec![], policies: policies.to_vec() });
    permit.answered(Answer::Succeeded);
}

/// After all mail that it got so far.
async fn tally(limiter: &Addr<RateLimiter>) -> RequestCounts {
    limiter.send(CountRequests).await.expect("it is alive").0
}

/// The limits that only the platform named, after all mail that it got so far.
async fn learned(limiter: &Addr<RateLimiter>) -> Vec<RateLimit> {
    limiter.send(CountRequests).await.expect("it is alive").1
}

/// Asks what was sent so far.
#[derive(Debug, Message)]
#[rtype(result = "Counted")]
pub(crate) struct CountRequests;

#[derive(MessageResponse)]
pub(crate) struct Counted(pub(crate) RequestCounts, pub(crate) Vec<RateLimit>);

impl Handler<CountRequests> for RateLimiter {
    type Result = Counted;

    fn handle(&mut self, CountRequests: CountRequests, _: &mut Context<Self>) -> Counted {
        Counted(self.requests, self.stated())
    }
}

/// How long it takes to get a permit now.
async fn wait_of(limiter: &Addr<RateLimiter>) -> Duration {
    let begun = Instant::now();
    drop(permit(limiter).await);
    begun.elapsed()
}

#[track_caller]
fn assert_due(actual: Duration, due: Duration) {
    assert!((due..=due + TICK).contains(&actual), "{actual:?} instead of {due:?}");
}

#[test]
fn the_token_goes_first_then_repeats_then_what_is_new_and_within_each_who_came_first() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(1, SECOND)]);
        send(&limiter).await;
        let order = Rc::new(std::cell::RefCell::new(vec![]));
        let asked = [
            ("new 1", Endpoint::Sync, false),
            ("repeat 1", Endpoint::Sync, true),
            ("new 2", Endpoint::List, false),
            ("token 1", Endpoint::Auth, false),
            ("repeat 2", Endpoint::List, true),
            ("token 2", Endpoint::Auth, true),
            ("new 3", Endpoint::Sync, false),
        ];
        let waiting: Vec<_> = asked
            .into_iter()
            .map(|(name, endpoint, retry)| {
                let (reply, order) = (ask_as(&limiter, endpoint, retry), order.clone());
                actix::spawn(async move {
                    let mut permit = reply.await.expect("it is alive").expect("its door is open");
                    permit.mark_sent();
                    order.borrow_mut().push(name);
                    permit.answered(Answer::Succeeded);
                })
            })
            .collect();
        for waiting in waiting {
            waiting.await.expect("it does not panic");
        }
        assert_eq!(
            *order.borrow(),
            ["token 1", "token 2", "repeat 1", "repeat 2", "new 1", "new 2", "new 3"]
        );
    });
}

#[test]
fn a_permit_that_is_dropped_unsent_is_given_back_and_costs_nothing() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(2, MINUTE), limit(3, 10 * MINUTE)]);
        for _ in 0..20 {
            assert_eq!(wait_of(&limiter).await, Duration::ZERO);
        }
        assert_eq!(tally(&limiter).await, RequestCounts::default());
        // Whoever waits for it gets it at once.
        let held = [permit(&limiter).await, permit(&limiter).await];
        let waiting = ask(&limiter);
        drop(held);
        assert!(waiting.await.expect("it is alive").is_ok());
    });
}

#[test]
fn a_request_that_is_dropped_in_flight_counts_until_its_time_is_over() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(1, SECOND)]);
        let mut sent = permit(&limiter).await;
        sent.mark_sent();
        sleep(3 * SECOND).await;
        drop(sent);
        assert_due(wait_of(&limiter).await, 7 * SECOND + ms(1002));
        let mut late = permit(&limiter).await;
        late.mark_sent();
        sleep(12 * SECOND).await;
        late.timed_out();
        assert_due(wait_of(&limiter).await, ms(1002));
    });
}

#[test]
fn a_slot_in_flight_is_not_granted_again_before_its_answer_and_a_window() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(1, SECOND)]);
        let mut sent = permit(&limiter).await;
        sent.mark_sent();
        let waiting = ask(&limiter);
        sleep(5 * SECOND).await;
        sent.answered(Answer::Rejected);
        let answered = Instant::now();
        assert!(waiting.await.expect("it is alive").is_ok());
        assert_due(answered.elapsed(), ms(1002));
    });
}

#[test]
fn an_asker_that_has_gone_is_skipped_and_costs_nothing() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(1, MINUTE)]);
        send(&limiter).await;
        let gone: Vec<Reply> = (0..5).map(|_| ask(&limiter)).collect();
        let waiting = ask(&limiter);
        tally(&limiter).await;
        drop(gone);
        let begun = Instant::now();
        let permit = waiting.await.expect("it is alive");
        assert_due(begun.elapsed(), ms(60_060));
        drop(permit);
        assert_eq!(wait_of(&limiter).await, Duration::ZERO);
    });
}

#[test]
fn all_windows_hold_and_one_that_is_full_takes_nothing_from_the_others() {
    in_virtual_time(async {
        for order in [[limit(2, SECOND), limit(5, MINUTE)], [limit(5, MINUTE), limit(2, SECOND)]] {
            let limiter = limiter(&order);
            let begun = Instant::now();
            for due in [0, 0, 1002, 1002, 2004, 60_061, 60_061, 61_063] {
                // Waiting in the full minute leaves the second as it was.
                send(&limiter).await;
                let (actual, due) = (begun.elapsed(), ms(due));
                assert!((due..=due + 5 * TICK).contains(&actual), "{actual:?} instead of {due:?}");
            }
        }
    });
}

#[test]
fn a_closed_door_answers_those_who_wait_and_those_who_come_later() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(1, MINUTE)]);
        send(&limiter).await;
        let waiting =
            [ask(&limiter), ask_as(&limiter, Endpoint::Auth, false), ask_as(&limiter, Endpoint::List, true)];
        limiter.do_send(CloseDoor);
        let begun = Instant::now();
        for waiting in waiting {
            assert_eq!(waiting.await.expect("an answer").err(), Some(DoorClosed));
        }
        let later = acquire_permit(&limiter, Endpoint::Sync, false).await;
        assert_eq!(later.err(), Some(DoorClosed));
        assert_eq!(begun.elapsed(), Duration::ZERO);
    });
}

#[test]
fn a_request_is_counted_as_it_leaves_and_its_answer_as_it_comes() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(3, MINUTE)]);
        let go = async |endpoint, retry| {
            let mut permit =
                ask_as(&limiter, endpoint, retry).await.expect("it is alive").expect("its door is open");
            permit.mark_sent();
            permit
        };
        go(Endpoint::Auth, false).await.answered(Answer::Succeeded);
        go(Endpoint::List, false).await.answered(Answer::Unauthorized);
        go(Endpoint::List, true).await.answered(Answer::Rejected);
        go(Endpoint::Sync, false).await.answered(Answer::Throttled);
        go(Endpoint::Sync, true).await.timed_out();
        drop(go(Endpoint::Sync, true).await);
        let in_flight = go(Endpoint::Sync, false).await;
        let requests = tally(&limiter).await;
        let expected = RequestCounts {
            auth: 1,
            list: 2,
            sync: 4,
            total: 7,
            retried: 3,
            throttled: 1,
            unauthorized: 1,
            timed_out: 1,
        };
        assert_eq!(requests, expected);
        drop(in_flight);
    });
}

#[test]
fn who_watches_is_told_how_many_wait_for_what_and_until_when() {
    in_virtual_time(async {
        let (progress, limits) = (Arc::new(unwatched()), [limit(1, SECOND), limit(2, MINUTE)]);
        let watcher = progress.subscribe();
        let limiter = RateLimiter::new(&limits, TIMEOUT, Jitter::seeded(1), progress).start();
        let begun = Instant::now();
        let mut sent = permit(&limiter).await;
        sent.mark_sent();
        let waiting = [ask(&limiter), ask(&limiter)];
        tally(&limiter).await;
        let quota = watcher.borrow().quota.clone().expect("they wait");
        assert_eq!((quota.waiting, quota.until, quota.because.as_str()), (2, None, "1/1s"));
        sent.answered(Answer::Succeeded);
        tally(&limiter).await;
        let quota = watcher.borrow().quota.clone().expect("they wait");
        assert_eq!((quota.waiting, quota.until), (2, Some(begun + ms(1002))));
        limiter.do_send(CoolDown { retry_after: Some(SECOND * 10) });
        tally(&limiter).await;
        let quota = watcher.borrow().quota.clone().expect("they wait");
        assert_eq!(quota.because, "the platform's 429");
        drop(waiting);
        limiter.do_send(CoolDown { retry_after: Some(SECOND) });
        tally(&limiter).await;
        assert_eq!(watcher.borrow().quota, None, "nobody waits any more");
        drop(permit(&limiter).await);
        assert_eq!(watcher.borrow().quota, None);
        assert_eq!(watcher.borrow().requests.total, 1);
    });
}
