//! What earlier processes spent and were told counts as it was left, whatever limits it was spent under.

use super::*;
use crate::ledger::KeepSpent;
use crate::testing::nobodys_run;
use std::rc::Rc;
use std::sync::Arc;

const DAY: Duration = Duration::from_secs(86_400);

type Records = Rc<std::cell::RefCell<Vec<Spent>>>;

struct Keeper(Records);

impl Actor for Keeper {
    type Context = Context<Self>;
}

impl Handler<KeepSpent> for Keeper {
    type Result = Result<(), crate::ports::StoreError>;

    fn handle(&mut self, KeepSpent { spent, .. }: KeepSpent, _: &mut Context<Self>) -> Self::Result {
        self.0.borrow_mut().push(spent);
        Ok(())
    }
}

fn kept_after(spent: &Spent, limits: &[RateLimit], assumed: bool) -> (Addr<RateLimiter>, Records) {
    let records = Records::default();
    let limiter =
        RateLimiter::new(limits, TIMEOUT, Jitter::seeded(1), Arc::new(unwatched())).until_stated(assumed);
    let keeper = Keeper(records.clone()).start().recipient();
    (limiter.with_ledger(Ledger::new(keeper, nobodys_run(), limits, ASKERS), spent).start(), records)
}

/// Sends for so long, one after the other, and counts.
async fn sent_within(limiter: &Addr<RateLimiter>, long: Duration) -> usize {
    let mut sent = 0;
    let until = Instant::now() + long;
    while Instant::now() < until {
        let Ok(permit) = timeout(until - Instant::now(), ask(limiter)).await else { break };
        let mut permit = permit.expect("it is alive").expect("its door is open");
        permit.mark_sent();
        permit.answered(Answer::Succeeded);
        sent += 1;
        assert!(sent < 10_000);
    }
    sent
}

#[test]
fn a_logins_limit_is_no_reason_for_the_next_run_to_leave_what_is_assumed() {
    in_virtual_time(async {
        let (limiter, records) = kept_after(&Spent::default(), &[limit(10, MINUTE)], true);
        hears(&limiter, Endpoint::Auth, &[limit(5, SECOND)]).await;
        send(&limiter).await;
        limiter.send(SettleSpent).await.expect("alive");
        let spent = records.borrow().last().cloned().expect("kept");
        let (next, _) = kept_after(&spent, &[limit(10, MINUTE)], true);
        let sent = sent_within(&next, MINUTE).await;
        assert!(sent + 2 <= 10, "{sent} and 2 in a minute of ten");
    });
}

#[test]
fn all_that_was_spent_counts_under_a_remembered_limit_of_a_day() {
    in_virtual_time(async {
        // 40/s for the last half minute, by a run with other settings.
        let counted = vec![(10 * SECOND, 50), (20 * SECOND, 20), (30 * SECOND, 20)];
        let spent = Spent { counted, leased: (SECOND, 0), stated: vec![limit(100, DAY)] };
        let (limiter, _) = kept_after(&spent, &[limit(10, MINUTE)], false);
        let sent = sent_within(&limiter, 20 * MINUTE).await;
        assert!(sent + 90 <= 100, "{sent} and 90 in a day of a hundred");
    });
}

#[test]
fn all_that_was_leased_counts_under_the_longer_of_two_remembered_limits() {
    in_virtual_time(async {
        // Killed with 90 requests of 2 s on their way, under 40/s.
        let stated = vec![limit(40, SECOND), limit(100, DAY)];
        let spent = Spent { counted: vec![], leased: (SECOND, 90), stated };
        let (limiter, _) = kept_after(&spent, &[limit(10, MINUTE)], true);
        let sent = sent_within(&limiter, 20 * MINUTE).await;
        assert!(sent + 90 <= 100, "{sent} and 90 in a day of a hundred");
    });
}

#[test]
fn a_record_written_while_it_waits_says_all_that_was_spent() {
    in_virtual_time(async {
        let spent = Spent { counted: vec![(10 * SECOND, 50)], leased: (SECOND, 0), stated: vec![] };
        let (limiter, records) = kept_after(&spent, &[limit(10, MINUTE)], false);
        send(&limiter).await;
        let total: u32 = records.borrow()[0].counted.iter().map(|(_, n)| n).sum();
        assert_eq!(total, 50);
    });
}

#[test]
fn what_no_limit_can_look_back_to_is_forgotten() {
    in_virtual_time(async {
        let spent = Spent { counted: vec![(40 * DAY, 5_000_000)], leased: (SECOND, 0), stated: vec![] };
        let (limiter, records) = kept_after(&spent, &[limit(10, MINUTE)], false);
        send(&limiter).await;
        let total: u32 = records.borrow()[0].counted.iter().map(|(_, n)| n).sum();
        assert_eq!(total, 0);
    });
}
