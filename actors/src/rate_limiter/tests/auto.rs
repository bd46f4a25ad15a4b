//! Limits that are only assumed, until the platform states its own.

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn assuming(limits: &[RateLimit]) -> Addr<RateLimiter> {
    let limiter = RateLimiter::new(limits, TIMEOUT, Jitter::seeded(1), Arc::new(unwatched()));
    limiter.until_stated(true).start()
}

/// How many permits there are at once; they are kept.
async fn free(limiter: &Addr<RateLimiter>) -> usize {
    let mut free = vec![];
    while let Ok(permit) = timeout(ms(1), ask(limiter)).await {
        free.push(permit.expect("it is alive").expect("its door is open"));
        assert!(free.len() < 1000, "there is no end to them");
    }
    free.len()
}

#[test]
fn what_was_sent_under_the_assumed_limit_counts_under_the_stated_one() {
    in_virtual_time(async {
        let shorter = assuming(&[limit(3, MINUTE)]);
        send(&shorter).await;
        hears(&shorter, Endpoint::List, &[limit(40, SECOND)]).await;
        assert_eq!(free(&shorter).await, 38);

        let longer = assuming(&[limit(3, SECOND)]);
        for _ in 0..9 {
            send(&longer).await;
        }
        hears(&longer, Endpoint::Sync, &[limit(40, MINUTE)]).await;
        assert_eq!(free(&longer).await, 30);
    });
}

#[test]
fn what_is_in_flight_when_the_limit_is_stated_counts_until_it_is_answered() {
    in_virtual_time(async {
        let limiter = assuming(&[limit(5, MINUTE)]);
        let mut in_flight = permit(&limiter).await;
        in_flight.mark_sent();
        hears(&limiter, Endpoint::List, &[limit(10, SECOND)]).await;
        sleep(2 * SECOND).await;
        assert_eq!(free(&limiter).await, 9);
        in_flight.answered(Answer::Succeeded);
        sleep(2 * SECOND).await;
        assert_eq!(free(&limiter).await, 10);
    });
}

#[test]
fn a_permit_that_is_not_sent_yet_is_no_request_that_was_forgotten_nor_one_that_was_sent() {
    in_virtual_time(async {
        let limiter = assuming(&[limit(3, SECOND)]);
        for _ in 0..6 {
            send(&limiter).await;
        }
        sleep(2 * SECOND).await;
        let unsent = [permit(&limiter).await, permit(&limiter).await];
        hears(&limiter, Endpoint::List, &[limit(20, MINUTE)]).await;
        // Six that no log remembers, two that may be sent, and the one that heard it.
        assert_eq!(free(&limiter).await, 11);
        drop(unsent);
        tally(&limiter).await;
        assert_eq!(free(&limiter).await, 13);
    });
}

#[test]
fn of_an_answer_that_states_a_hundred_limits_the_first_few_are_adopted() {
    in_virtual_time(async {
        let limiter = assuming(&[limit(10, MINUTE)]);
        let many: Vec<_> = (0..100).map(|n| limit(1000 - n, SECOND)).collect();
        hears(&limiter, Endpoint::List, &many).await;
        assert_eq!(learned(&limiter).await, many[..8]);
    });
}

#[test]
fn a_login_may_have_a_limit_of_its_own_and_states_none_for_the_account() {
    in_virtual_time(async {
        let limiter = assuming(&[limit(10, MINUTE)]);
        hears(&limiter, Endpoint::Auth, &[limit(1000, SECOND)]).await;
        assert_eq!(free(&limiter).await, 9);
    });
}

#[test]
fn once_stated_a_limit_is_only_ever_made_tighter() {
    in_virtual_time(async {
        let limiter = assuming(&[limit(10, MINUTE)]);
        hears(&limiter, Endpoint::List, &[limit(40, SECOND)]).await;
        hears(&limiter, Endpoint::List, &[limit(400, SECOND)]).await;
        hears(&limiter, Endpoint::List, &[limit(20, SECOND)]).await;
        assert_eq!(learned(&limiter).await, [limit(40, SECOND), limit(20, SECOND)]);
        assert_eq!(free(&limiter).await, 17);
    });
}

#[test]
fn what_earlier_processes_spent_counts_under_a_limit_that_looks_further_back_than_those_that_were_set() {
    in_virtual_time(async {
        let counted = vec![(30 * SECOND, 2), (7200 * SECOND, 30), (2 * DAY, 5)];
        let spent = Spent { counted, leased: (SECOND, 3), stated: vec![] };
        let limiter = after(&spent, &[limit(10, MINUTE)], false);
        hears(&limiter, Endpoint::List, &[limit(100, DAY)]).await;
        // Of the day: two, thirty and three, and the one that heard it. Of two days ago nothing.
        sleep(2 * MINUTE).await;
        assert_eq!(free(&limiter).await, 10, "the minute");
        sleep(2 * MINUTE).await;
        let mut sent = 36;
        while let Ok(permit) = timeout(2 * MINUTE, ask(&limiter)).await {
            let mut permit = permit.expect("it is alive").expect("its door is open");
            permit.mark_sent();
            permit.answered(Answer::Succeeded);
            sent += 1;
        }
        assert_eq!(sent, 100);
    });
}

/// A limiter that goes on from this.
fn after(spent: &Spent, limits: &[RateLimit], assumed: bool) -> Addr<RateLimiter> {
    let limiter =
        RateLimiter::new(limits, TIMEOUT, Jitter::seeded(1), Arc::new(unwatched())).until_stated(assumed);
    limiter
        .with_ledger(
            Ledger::new(Nobody.start().recipient(), crate::testing::nobodys_run(), limits, ASKERS),
            spent,
        )
        .start()
}

#[test]
fn what_the_platform_named_to_an_earlier_process_holds_until_it_names_something_else() {
    in_virtual_time(async {
        let spent = |stated| Spent { counted: vec![(5 * SECOND, 8)], leased: (SECOND, 0), stated };
        let set = |stated| after(&spent(vec![stated]), &[limit(20, MINUTE)], false);
        // Besides what was set, where it is tighter and something still counts in it.
        assert_eq!(free(&set(limit(10, DAY))).await, 2);
        assert_eq!(free(&set(limit(9, 4 * SECOND))).await, 12);
        assert_eq!(free(&set(limit(40, SECOND))).await, 12);
        // Instead of what was only assumed, however long ago.
        let assumed = |stated| after(&spent(vec![stated]), &[limit(10, MINUTE)], true);
        assert_eq!(free(&assumed(limit(40, SECOND))).await, 40);
        assert_eq!(free(&assumed(limit(9, DAY))).await, 1);
        // Once it names another, with or without what was set.
        for limiter in [set(limit(10, DAY)), assumed(limit(10, DAY))] {
            hears(&limiter, Endpoint::List, &[limit(19, MINUTE)]).await;
            assert_eq!(learned(&limiter).await, [limit(19, MINUTE)]);
            assert_eq!(free(&limiter).await, 10);
        }
    });
}

/// Keeps no record and says that it does.
struct Nobody;

impl Actor for Nobody {
    type Context = Context<Self>;
}

impl Handler<crate::ledger::KeepSpent> for Nobody {
    type Result = Result<(), crate::ports::StoreError>;

    fn handle(&mut self, _: crate::ledger::KeepSpent, _: &mut Context<Self>) -> Self::Result {
        Ok(())
    }
}
