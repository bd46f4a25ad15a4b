//! What may be sent is recorded beforehand, and yet hardly a request waits for it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::*;
use crate::ledger::KeepSpent;
use crate::testing::nobodys_run;

/// How long a record takes, of a disk that is slow; a platform's answer takes longer.
const WRITE: Duration = Duration::from_millis(8);

/// When each record came, and how many it leases.
type Records = Rc<RefCell<Vec<(Instant, u32)>>>;

/// Takes its time.
struct SlowKeeper(Records);

impl Actor for SlowKeeper {
    type Context = Context<Self>;
}

impl Handler<KeepSpent> for SlowKeeper {
    type Result = ResponseFuture<Result<(), crate::ports::StoreError>>;

    fn handle(&mut self, KeepSpent { spent, .. }: KeepSpent, _: &mut Context<Self>) -> Self::Result {
        self.0.borrow_mut().push((Instant::now(), spent.leased.1));
        Box::pin(async {
            sleep(WRITE).await;
            Ok(())
        })
    }
}

fn under_lease(limits: &[RateLimit], askers: usize) -> (Addr<RateLimiter>, Records) {
    let records = Records::default();
    let keeper = SlowKeeper(records.clone()).start().recipient();
    let limiter = RateLimiter::new(limits, TIMEOUT, Jitter::seeded(1), Arc::new(unwatched()));
    let ledger = Ledger::new(keeper, nobodys_run(), limits, askers);
    (limiter.with_ledger(ledger, &Spent::default()).start(), records)
}

/// So many send at once, each answered after so long; how long after the first asked the last was sent.
async fn burst(limiter: &Addr<RateLimiter>, requests: usize, latency: Duration) -> Duration {
    let begun = Instant::now();
    let asked: Vec<Reply> = (0..requests).map(|_| ask(limiter)).collect();
    let mut sent = Vec::new();
    for reply in asked {
        let mut permit = reply.await.expect("it is alive").expect("its door is open");
        permit.mark_sent();
        sent.push(permit);
    }
    let took = begun.elapsed();
    sleep(latency).await;
    sent.into_iter().for_each(|permit| permit.answered(Answer::Succeeded));
    took
}

#[test]
fn only_the_first_burst_waits_for_its_record_and_later_ones_find_it_written() {
    in_virtual_time(async {
        for (limit, askers) in [(limit(10, SECOND), 10), (limit(200, SECOND), 64), (limit(10, MINUTE), 16)] {
            let (limiter, _) = under_lease(&[limit], askers);
            let latency = ms(10);
            let requests = askers.min(limit.requests());
            let first = burst(&limiter, requests, latency).await;
            assert_due(first, WRITE);
            let mut sent = requests;
            for window in 1..5 {
                // What the window has room for, in as many rounds as those who ask need.
                while sent < window * limit.requests() {
                    let round = askers.min(window * limit.requests() - sent);
                    assert_due(burst(&limiter, round, latency).await, Duration::ZERO);
                    sent += round;
                }
                let asked = Instant::now();
                burst(&limiter, requests, latency).await;
                sent += requests;
                let most = limit.window() + limit.margin() + TICK;
                assert!(asked.elapsed() <= most + latency, "{limit}: {:?}", asked.elapsed());
            }
        }
    });
}

#[test]
fn nothing_is_recorded_while_nobody_may_send_soon() {
    in_virtual_time(async {
        let (limiter, records) = under_lease(&[limit(10, MINUTE)], 16);
        burst(&limiter, 10, ms(10)).await;
        let before = records.borrow().len();
        let waiting: Vec<Reply> = (0..16).map(|_| ask(&limiter)).collect();
        for _ in 0..50 {
            sleep(SECOND).await;
            tally(&limiter).await;
        }
        assert_eq!(records.borrow().len(), before);
        let due = Instant::now() + 10 * SECOND;
        drop(waiting.into_iter().next().expect("there are sixteen").await);
        let (recorded, _) = records.borrow()[before];
        assert!(recorded + WRITE < due, "{:?} before it was due", due - recorded);
    });
}

#[test]
fn no_more_is_leased_than_those_who_ask_can_send_while_the_lease_lasts() {
    in_virtual_time(async {
        // Four who ask, two seconds for each answer, and a lease of five seconds: two and a half rounds and one.
        let (limiter, records) = under_lease(&[limit(100_000, 1440 * MINUTE)], 4);
        for _ in 0..20 {
            burst(&limiter, 4, 2 * SECOND).await;
        }
        let most = records.borrow().iter().map(|(_, leased)| *leased).max();
        assert!(most <= Some(12 + 4), "{most:?} leased");
        let (limiter, records) = under_lease(&[limit(100_000, 1440 * MINUTE)], 1024);
        for _ in 0..20 {
            burst(&limiter, 1024, ms(1)).await;
        }
        let most = records.borrow().iter().map(|(_, leased)| *leased).max();
        assert!(most <= Some(1000 + 1024), "{most:?} leased");
    });
}

#[test]
fn a_thousand_permits_a_second_are_not_a_thousand_records() {
    in_virtual_time(async {
        let (limiter, records) = under_lease(&[limit(1000, SECOND)], 16);
        let begun = Instant::now();
        let mut sent = 0;
        while begun.elapsed() < 10 * SECOND {
            burst(&limiter, 16, ms(10)).await;
            sent += 16;
        }
        let written = records.borrow().len();
        assert!(sent > 9_000 && written < 150, "{written} records of {sent} permits");
    });
}

#[test]
fn what_was_leased_is_not_sent_after_its_time_unless_that_is_recorded_anew() {
    in_virtual_time(async {
        let (limiter, records) = under_lease(&[limit(10, MINUTE)], 10);
        // Five seconds for the first of the ten that are leased; the others come later.
        burst(&limiter, 1, ms(10)).await;
        sleep(10 * SECOND).await;
        let before = records.borrow().len();
        assert_due(burst(&limiter, 1, ms(10)).await, WRITE);
        assert!(records.borrow().len() > before);
    });
}
