//! How much of each limit is used. Which limits there are may change in a run, when the platform states one.

use ::metrics::Gauge;

use super::AccountMetrics;
use crate::progress::LimitInUse;
use crate::settings::RateLimit;

/// A gauge for each limit that is kept, and for no other.
#[derive(Default)]
pub(crate) struct LimitGauges(Vec<(RateLimit, Gauge)>);

impl LimitGauges {
    /// Shows these.
    pub(crate) fn show(&mut self, metrics: &AccountMetrics, limits: &[LimitInUse]) {
        if !self.0.iter().map(|(known, _)| known).eq(limits.iter().map(|shown| &shown.limit)) {
            self.0 = limits.iter().map(|shown| (shown.limit, metrics.limit(shown.limit))).collect();
        }
        for ((limit, gauge), shown) in self.0.iter().zip(limits) {
            gauge.set(shown.used as f64 / limit.requests() as f64);
        }
    }
}
