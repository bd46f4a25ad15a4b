//! The limiter panics, and comes back or does not.

use tokio::time::sleep_until;

use super::*;
use crate::settings::RestartIntensity;
use crate::supervision::{ActorKind, guard};
use crate::testing::witness;

/// Makes the limiter panic.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stumble;

impl Handler<Stumble> for RateLimiter {
    type Result = ();

    fn handle(&mut self, Stumble: Stumble, _: &mut Context<Self>) {
        panic!("the test told it to");
    }
}

#[test]
fn who_waited_before_a_panic_is_served_after_the_restart_and_the_log_is_as_it_was() {
    in_virtual_time(async {
        let (supervisor, crashes) = witness();
        let actor = RateLimiter::new(&[limit(2, MINUTE)], TIMEOUT, Jitter::seeded(1), Arc::new(unwatched()));
        let (limiter, life) = guard(ActorKind::RateLimiter, RestartIntensity::SINGLETON, supervisor, actor);
        let begun = Instant::now();
        send(&limiter).await;
        let in_flight = permit(&limiter).await;
        let waiting = [ask(&limiter), ask(&limiter)];
        tally(&limiter).await;
        limiter.do_send(Stumble);
        // While it is down, mail waits.
        drop(in_flight);
        for (waiting, due) in waiting.into_iter().zip([100, 60_061]) {
            // Straight from the actor's own queue: nobody asks again.
            let mut permit = waiting.await.expect("the reply was not lost").expect("its door is open");
            permit.mark_sent();
            permit.answered(Answer::Succeeded);
            assert_due(begun.elapsed(), ms(due));
        }
        assert_eq!(crashes.borrow().len(), 1);
        life.abort();
    });
}

#[test]
fn who_waited_only_for_the_timer_is_served_after_a_panic() {
    in_virtual_time(async {
        let (supervisor, _) = witness();
        let actor = RateLimiter::new(&[limit(1, MINUTE)], TIMEOUT, Jitter::seeded(1), Arc::new(unwatched()));
        let (limiter, life) = guard(ActorKind::RateLimiter, RestartIntensity::SINGLETON, supervisor, actor);
        let begun = Instant::now();
        send(&limiter).await;
        let waiting = ask(&limiter);
        tally(&limiter).await;
        limiter.do_send(Stumble);
        // No mail wakes it: only the timer that it sets again can.
        let permit = timeout(10 * MINUTE, waiting).await.expect("it is served");
        assert_due(begun.elapsed(), ms(60_061));
        drop(permit);
        sleep_until(begun + 2 * MINUTE).await;
        life.abort();
    });
}

#[test]
fn who_asks_a_limiter_that_has_ended_is_told_so() {
    in_virtual_time(async {
        let (supervisor, _) = witness();
        let never = RestartIntensity { max_restarts: 0, ..RestartIntensity::SINGLETON };
        let actor = RateLimiter::new(&[limit(1, MINUTE)], TIMEOUT, Jitter::seeded(1), Arc::new(unwatched()));
        let (limiter, _) = guard(ActorKind::RateLimiter, never, supervisor, actor);
        send(&limiter).await;
        let waiting = actix::spawn({
            let limiter = limiter.clone();
            async move { acquire_permit(&limiter, Endpoint::Sync, false).await.err() }
        });
        tally(&limiter).await;
        limiter.do_send(Stumble);
        let waiting = timeout(MINUTE, waiting).await.expect("it does not hang");
        assert_eq!(waiting.expect("it does not panic"), Some(DoorClosed));
        assert_eq!(acquire_permit(&limiter, Endpoint::Sync, false).await.err(), Some(DoorClosed));
    });
}
