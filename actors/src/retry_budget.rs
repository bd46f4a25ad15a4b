//! The retry budget of a run: how many repeats all of its requests may have together, so that a platform that fails
//! at length cannot multiply what the run takes of an account's quota.
//!
//! A few to begin with, and a share for every request made for the first time. A repeat is paid for by the failure
//! that it is to make good. Nothing is paid for a 429 or a 401, nor for the failure of a probe: while the platform
//! fails for everyone, the circuit breaker bounds the repeats to one in half a minute and then in five, far below
//! any quota; and paid probes would use up in an hour's outage, when nothing is made for the first time, what the
//! requests that wait for its end need then.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use thiserror::Error;
use tracing::warn;

use crate::report::{Problem, ProblemClass};
use crate::settings::OutOfRange;

/// Repeats that need no request before them: a login that fails, a short listing on a bad day.
const TO_BEGIN_WITH: u64 = 10;

/// Repeats that each request made for the first time allows to all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryShare(f64);

/// It is a number.
impl Eq for RetryShare {}

impl RetryShare {
    /// 0 to 99: no request has more repeats.
    pub fn new(share: f64) -> Result<Self, OutOfRange> {
        let in_range = (0.0..=99.0).contains(&share);
        in_range.then_some(Self(share)).ok_or_else(|| OutOfRange::new(share.to_string(), "0 to 99 repeats"))
    }
}

impl Default for RetryShare {
    /// One, as much as a platform needs that fails half of all requests. In simulated runs of 112 and of 1000 requests
    /// nothing was denied up to two failures of five, and something in one run of 200 at 45 %. Half of that is enough
    /// for a fifth (research on rate limits, section 4), but at 35 % it denies something in a quarter of the runs of
    /// 112, and what is denied is a campaign that is not synced.
    fn default() -> Self {
        Self(1.0)
    }
}

impl fmt::Display for RetryShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a request was given up that would have been repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "it was not tried again, because the run's retry budget of {0} repeats was used up: \
     run it again when the platform is better, or raise the retry budget"
)]
pub(crate) struct OverBudget(u64);

/// What the requests of one run share, whatever becomes of the actors that make them.
#[derive(Clone, Debug)]
pub(crate) struct RetryBudget {
    /// None: no bound.
    share: Option<RetryShare>,
    counts: Rc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: Cell<u64>,
    repeats: Cell<u64>,
    denied: Cell<u64>,
}

impl RetryBudget {
    pub(crate) fn new(share: Option<RetryShare>) -> Self {
        Self { share, counts: Rc::default() }
    }

    /// A request is made for the first time.
    pub(crate) fn earn(&self) {
        increment(&self.counts.requests);
    }

    /// Takes a repeat, if one is left.
    pub(crate) fn spend(&self) -> Result<(), OverBudget> {
        let Counts { repeats, denied, .. } = &*self.counts;
        match self.allowed() {
            Some(allowed) if repeats.get() >= allowed => {
                if denied.get() == 0 {
                    warn!(allowed, "the run's retry budget is used up: what fails now is not tried again");
                }
                increment(denied);
                Err(OverBudget(allowed))
            }
            _ => {
                increment(repeats);
                Ok(())
            }
        }
    }

    /// What the report has to say about it.
    pub(crate) fn problem(&self) -> Option<Problem> {
        let Counts { requests, repeats, denied } = &*self.counts;
        let share = self.share.filter(|_| denied.get() > 0)?;
        let message = format!(
            "{} requests that failed were not tried again: the platform failed so often that the run's retry budget \
             ({TO_BEGIN_WITH} and {share} for each of {} requests) was used up after {} repeats; \
             run it again when the platform is better, or raise the retry budget",
            denied.get(),
            requests.get(),
            repeats.get(),
        );
        Some(Problem { class: ProblemClass::RetryBudgetExhausted, message })
    }

    /// Repeats in all, as far as the run has come; none where there is no bound.
    fn allowed(&self) -> Option<u64> {
        // A share of what a run can make is far from where a float loses a whole number.
        self.share.map(|RetryShare(share)| TO_BEGIN_WITH + (share * self.counts.requests.get() as f64) as u64)
    }
}

fn increment(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(share: f64) -> RetryBudget {
        RetryBudget::new(Some(RetryShare::new(share).expect("in range")))
    }

    fn spend_all(budget: &RetryBudget) -> usize {
        (0..1000).take_while(|_| budget.spend().is_ok()).count()
    }

    #[test]
    fn ten_repeats_are_there_to_begin_with_and_a_share_for_every_request() {
        for (share, requests, repeats) in
            [(0.0, 100, 10), (0.5, 7, 13), (1.0, 0, 10), (1.0, 5, 15), (2.5, 2, 15)]
        {
            let budget = budget(share);
            (0..requests).for_each(|_| budget.earn());
            assert_eq!(spend_all(&budget), repeats, "{share} x {requests}");
        }
    }

    #[test]
    fn what_is_earned_after_a_denial_can_be_spent() {
        let budget = budget(1.0);
        assert_eq!(spend_all(&budget), 10);
        budget.earn();
        assert_eq!(spend_all(&budget), 1);
    }

    #[test]
    fn without_a_bound_nothing_is_ever_denied_nor_reported() {
        let unbounded = RetryBudget::new(None);
        assert_eq!((spend_all(&unbounded), unbounded.problem()), (1000, None));
    }

    #[test]
    fn all_who_hold_it_draw_on_the_same() {
        let (one, budget) = (budget(1.0), budget(1.0));
        let other = one.clone();
        assert_eq!((spend_all(&one), spend_all(&other), spend_all(&budget)), (10, 0, 10));
    }

    #[test]
    fn the_report_hears_of_it_only_where_something_was_denied_and_then_with_the_numbers() {
        let budget = budget(0.5);
        (0..4).for_each(|_| budget.earn());
        (0..12).for_each(|_| budget.spend().expect("so many are allowed"));
        assert_eq!(budget.problem(), None);
        assert_eq!(budget.spend(), Err(OverBudget(12)));
        let problem = budget.problem().expect("something was denied");
        assert_eq!(problem.class, ProblemClass::RetryBudgetExhausted);
        let numbers = "1 requests that failed were not tried again: the platform failed so often that the run's retry \
                       budget (10 and 0.5 for each of 4 requests) was used up after 12 repeats;";
        assert!(problem.message.starts_with(numbers), "{}", problem.message);
    }

    #[test]
    fn a_share_is_a_number_from_0_to_99() {
        for (share, allowed) in
            [(0.0, true), (1.5, true), (99.0, true), (99.1, false), (-0.1, false), (f64::NAN, false)]
        {
            assert_eq!(RetryShare::new(share).is_ok(), allowed, "{share}");
        }
    }

    proptest! {
        #[test]
        fn there_are_never_more_repeats_than_ten_and_the_share(
            share in 0.0..3.0f64,
            requests in prop::collection::vec(any::<bool>(), 0..300),
        ) {
            let budget = budget(share);
            let (mut firsts, mut repeats) = (0, 0);
            for first in requests {
                if first {
                    budget.earn();
                    firsts += 1;
                } else if budget.spend().is_ok() {
                    repeats += 1;
                }
                prop_assert!(f64::from(repeats) <= 10.0 + share * f64::from(firsts));
            }
        }
    }
}
