//! How much of each limit is used. Which limits there are may change in a run, when the platform states one.

use std::sync::Arc;

use ::metrics::Gauge;

use super::AccountMetrics;
use crate::progress::LimitInUse;
use crate::settings::RateLimit;

/// A gauge for each limit that is kept, and for no other.
pub(crate) struct LimitGauges {
    metrics: Arc<AccountMetrics>,
    kept: Vec<(RateLimit, Gauge)>,
}

impl LimitGauges {
    pub(crate) fn new(metrics: Arc<AccountMetrics>) -> Self {
        Self { metrics, kept: Vec::new() }
    }

    /// Shows these. They are few, so that looking them up is no work worth mentioning.
    pub(crate) fn show(&mut self, limits: &[LimitInUse]) {
        self.kept.retain(|(kept, _)| limits.iter().any(|shown| shown.limit == *kept));
        for LimitInUse { limit, used, .. } in limits {
            let known = self.kept.iter().position(|(kept, _)| kept == limit);
            let index = known.unwrap_or_else(|| {
                self.kept.push((*limit, self.metrics.limit(*limit)));
                self.kept.len() - 1
            });
            self.kept[index].1.set(*used as f64 / limit.requests() as f64);
        }
    }
}
