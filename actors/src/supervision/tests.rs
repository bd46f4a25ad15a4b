//! Small actors that panic when they are told to.

use std::cell::Cell;
use std::panic::panic_any;
use std::rc::Rc;

use super::*;
use crate::testing::{in_virtual_time, witness};

const MS: Duration = Duration::from_millis(1);

const INTENSITY: RestartIntensity = RestartIntensity {
    max_in_all: usize::MAX,
    max_restarts: 4,
    within: Duration::from_secs(60),
    backoff: Duration::from_millis(100),
    backoff_cap: Duration::from_millis(500),
};

/// Counts, and says when it was restarted.
#[derive(Default)]
struct Counter {
    count: u32,
    restarted: Vec<Instant>,
}

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Supervised for Counter {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.restarted.push(Instant::now());
    }
}

#[derive(Message)]
#[rtype(result = "(u32, Vec<Instant>)")]
struct Count;

impl Handler<Count> for Counter {
    type Result = MessageResult<Count>;

    fn handle(&mut self, Count: Count, _: &mut Context<Self>) -> Self::Result {
        self.count += 1;
        MessageResult((self.count, self.restarted.clone()))
    }
}

#[derive(Message)]
#[rtype(result = "()")]
enum Order {
    Panic(&'static str),
    PanicOddly,
    PanicInAFuture,
    Stop,
}

impl Handler<Order> for Counter {
    type Result = ();

    fn handle(&mut self, order: Order, ctx: &mut Context<Self>) {
        match order {
            Order::Panic(message) => panic!("{message}"),
            Order::PanicOddly => panic_any(17),
            Order::PanicInAFuture => {
                ctx.run_later(MS, |_, _| panic!("in a future"));
            }
            Order::Stop => ctx.stop(),
        }
    }
}

#[test]
fn address_value_and_mailbox_outlive_a_panic_and_the_actor_is_told_of_its_restart() {
    in_virtual_time(async {
        let (supervisor, crashes) = witness();
        let (actor, life) = guard(ActorKind::Pager, INTENSITY, supervisor, Counter::default());
        assert_eq!(actor.send(Count).await, Ok((1, vec![])));
        let begun = Instant::now();
        actor.do_send(Order::Panic("the first"));
        // Two that came while it was down.
        let (second, third) = tokio::join!(actor.send(Count), actor.send(Count));
        let restarted = vec![begun + INTENSITY.backoff];
        let close = |actual: &[Instant]| actual.iter().zip(&restarted).all(|(a, b)| *a - *b <= 2 * MS);
        for (reply, count) in [(second, 2), (third, 3)] {
            let (counted, restarted) = reply.expect("it is answered");
            assert_eq!((counted, restarted.len()), (count, 1));
            assert!(close(&restarted), "after its backoff");
        }
        let crashes = crashes.borrow();
        assert_eq!(crashes.len(), 1);
        let Crashed { actor: kind, cause, restarts } = &crashes[0];
        assert_eq!((*kind, cause.as_str(), *restarts), (ActorKind::Pager, "the first", true));
        life.abort();
    });
}

#[test]
fn a_panic_in_a_future_of_the_actor_or_with_an_odd_payload_is_survived_too() {
    in_virtual_time(async {
        let (supervisor, crashes) = witness();
        let (actor, life) = guard(ActorKind::Auth, INTENSITY, supervisor, Counter::default());
        actor.do_send(Order::PanicInAFuture);
        tokio::time::sleep(10 * MS).await;
        actor.do_send(Order::PanicOddly);
        assert_eq!(actor.send(Count).await.expect("it is answered").1.len(), 2);
        let causes: Vec<String> = crashes.borrow().iter().map(|crash| crash.cause.clone()).collect();
        assert_eq!(causes, ["in a future", "a panic without a message"]);
        life.abort();
    });
}

/// Cancels a future, panics in the same breath, and spawns another in its repair.
struct Canceller(Rc<Cell<bool>>);

impl Actor for Canceller {
    type Context = Context<Self>;
}

impl Supervised for Canceller {
    fn restarting(&mut self, ctx: &mut Context<Self>) {
        repair(ctx, |_, ctx| {
            ctx.run_later(MS, |actor, _| actor.0.set(true));
        });
    }
}

impl Handler<Order> for Canceller {
    type Result = ();

    fn handle(&mut self, _: Order, ctx: &mut Context<Self>) {
        let cancelled = ctx.run_later(MS, |_, _| {});
        ctx.cancel_future(cancelled);
        panic!("before the context has seen that");
    }
}

#[test]
fn what_was_cancelled_before_a_panic_is_not_confused_with_what_is_spawned_after_it() {
    in_virtual_time(async {
        let (supervisor, _) = witness();
        let repaired = Rc::new(Cell::new(false));
        let (actor, life) = guard(ActorKind::RateLimiter, INTENSITY, supervisor, Canceller(repaired.clone()));
        actor.do_send(Order::Stop);
        tokio::time::sleep(2 * INTENSITY.backoff).await;
        assert!(repaired.get());
        life.abort();
    });
}

#[test]
fn the_wait_before_a_restart_doubles_to_its_cap_and_one_crash_too_many_is_the_end() {
    in_virtual_time(async {
        let (supervisor, crashes) = witness();
        let (actor, life) = guard(ActorKind::Store, INTENSITY, supervisor, Counter::default());
        for expected in [100, 200, 400, 500] {
            let begun = Instant::now();
            actor.do_send(Order::Panic("again"));
            actor.send(Count).await.expect("it comes back");
            let (waited, expected) = (begun.elapsed(), expected * MS);
            assert!((expected..=expected + 2 * MS).contains(&waited), "{waited:?} instead of {expected:?}");
        }
        actor.do_send(Order::Panic("the last"));
        assert_eq!(actor.send(Count).await, Err(MailboxError::Closed));
        tokio::task::yield_now().await;
        let restarts: Vec<bool> = crashes.borrow().iter().map(|crash| crash.restarts).collect();
        assert_eq!(restarts, [true, true, true, true, false]);
        assert!(life.is_finished() && !actor.connected());
    });
}

/// Panics in each of its first restarts, so many times.
struct SlowToRecover(u32);

impl Actor for SlowToRecover {
    type Context = Context<Self>;
}

impl Supervised for SlowToRecover {
    fn restarting(&mut self, _: &mut Context<Self>) {
        if let Some(left) = self.0.checked_sub(1) {
            self.0 = left;
            panic!("while restarting");
        }
    }
}

impl Handler<Order> for SlowToRecover {
    type Result = ();

    fn handle(&mut self, _: Order, _: &mut Context<Self>) {
        assert_eq!(self.0, 0, "not yet");
    }
}

#[test]
fn a_panic_while_restarting_is_one_more_crash() {
    in_virtual_time(async {
        for (panics, outlives) in [(2, true), (1000, false)] {
            let (supervisor, crashes) = witness();
            let actor = SlowToRecover(panics);
            let (actor, life) = guard(ActorKind::RateLimiter, INTENSITY, supervisor, actor);
            actor.do_send(Order::Stop);
            assert_eq!(actor.send(Order::Stop).await.is_ok(), outlives);
            tokio::task::yield_now().await;
            let crashes = crashes.borrow();
            let seen: Vec<_> = crashes.iter().map(|crash| (crash.cause.as_str(), crash.restarts)).collect();
            let last = seen[seen.len() - 1];
            assert_eq!(
                (seen.len(), last),
                if outlives { (3, ("while restarting", true)) } else { (5, ("while restarting", false)) }
            );
            life.abort();
        }
    });
}

#[test]
fn crashes_that_are_long_ago_are_forgiven() {
    in_virtual_time(async {
        let mut window = RestartWindow::new(INTENSITY);
        for _ in 0..4 {
            assert!(window.crash().is_some());
        }
        tokio::time::sleep(INTENSITY.within - MS).await;
        assert_eq!(window.crash(), None, "the first four are still in the window");
        tokio::time::sleep(2 * MS).await;
        assert_eq!(window.crash(), Some(2 * INTENSITY.backoff), "only the fifth is");
        // An actor that panics now and then for ever is restarted for ever.
        for _ in 0..100 {
            tokio::time::sleep(INTENSITY.within / 2).await;
            assert!(window.crash().is_some());
        }
        assert!(window.crashes.len() <= 3, "and costs no memory");
    });
}

#[test]
fn however_many_crashes_are_allowed_the_wait_stays_at_its_cap() {
    in_virtual_time(async {
        let patient = RestartIntensity { max_restarts: usize::MAX, ..INTENSITY };
        let mut window = RestartWindow::new(patient);
        let last = (0..200).map(|_| window.crash()).last();
        assert_eq!(last, Some(Some(INTENSITY.backoff_cap)));
    });
}

#[test]
fn the_pool_may_crash_twice_for_each_of_its_members() {
    let restarts =
        |n| RestartIntensity::pool(crate::settings::Concurrency::new(n).expect("in range")).max_restarts;
    assert_eq!([1, 5, 64].map(restarts), [10, 10, 128]);
}

#[test]
fn a_normal_stop_is_the_end_and_no_crash() {
    in_virtual_time(async {
        let (supervisor, crashes) = witness();
        let (actor, life) = guard(ActorKind::Pager, INTENSITY, supervisor, Counter::default());
        actor.do_send(Order::Stop);
        assert_eq!(actor.send(Count).await, Err(MailboxError::Closed));
        tokio::time::sleep(INTENSITY.within).await;
        assert!(life.is_finished() && crashes.borrow().is_empty());
    });
}

#[test]
fn an_actor_that_nobody_has_the_address_of_any_more_ends_also_while_it_is_down() {
    in_virtual_time(async {
        let (supervisor, _) = witness();
        let (actor, life) = guard(ActorKind::Pager, INTENSITY, supervisor, Counter::default());
        actor.do_send(Order::Panic("then it is dropped"));
        tokio::time::sleep(MS).await;
        drop(actor);
        tokio::time::sleep(INTENSITY.within).await;
        assert!(life.is_finished());
    });
}

#[test]
fn a_child_that_panics_is_gone_and_its_life_yields_the_message() {
    in_virtual_time(async {
        let mut own_address = None;
        let (child, life) = spawn_child(Span::current(), |address: &Addr<Counter>| {
            own_address = Some(address.clone());
            Counter::default()
        });
        assert_eq!(own_address.as_ref(), Some(&child), "it knows its address from birth");
        assert_eq!(child.send(Count).await.map(|(count, _)| count), Ok(1));
        child.do_send(Order::Panic("the child's own words"));
        let (reply, life) = tokio::join!(child.send(Count), life);
        assert_eq!(reply, Err(MailboxError::Closed));
        assert_eq!(life.expect("the task itself is fine"), Some("the child's own words".to_owned()));

        let (child, life) = spawn_child(Span::current(), |_| Counter::default());
        child.do_send(Order::Stop);
        assert_eq!(life.await.expect("the task itself is fine"), None);
    });
}
