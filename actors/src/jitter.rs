//! The pipeline's only randomness, seeded, so that a run in virtual time repeats itself exactly.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// A generator that the actors of one pipeline share.
#[derive(Clone, Debug)]
pub(crate) struct Jitter(Rc<RefCell<SmallRng>>);

impl Jitter {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(SmallRng::seed_from_u64(seed))))
    }

    /// Anything from nothing to this.
    pub(crate) fn up_to(&self, longest: Duration) -> Duration {
        longest.mul_f64(self.0.borrow_mut().random_range(0.0..=1.0))
    }
}
