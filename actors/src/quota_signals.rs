//! What a platform says about its limits along with an answer, as values that cannot be absurd.

use std::time::Duration;

use crate::settings::{LONGEST_COOL_DOWN, OutOfRange, RateLimit};

/// What one answer says about the limits. Most platforms say nothing, and that costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaSignals {
    /// What is left, by policy.
    pub remaining: Vec<Remaining>,
    /// The limits that the platform says it keeps.
    pub policies: Vec<RateLimit>,
}

impl QuotaSignals {
    /// Whether the answer said nothing.
    pub fn is_empty(&self) -> bool {
        self.remaining.is_empty() && self.policies.is_empty()
    }
}

/// So many requests are left until the quota is renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    policy: String,
    requests: u64,
    renewed_in: Duration,
}

impl Remaining {
    /// What is left under the policy of this name, which may be empty. The renewal has to be yet to come, and in
    /// at most [`LONGEST_COOL_DOWN`]: later, it is a mistake or needs someone.
    pub fn new(policy: &str, requests: u64, renewed_in: Duration) -> Result<Self, OutOfRange> {
        if renewed_in.is_zero() || renewed_in > LONGEST_COOL_DOWN {
            let allowed = "a renewal within the longest cool-down";
            return Err(OutOfRange::new(format!("a renewal in {renewed_in:?}"), allowed));
        }
        Ok(Self { policy: policy.to_owned(), requests, renewed_in })
    }

    /// The policy's name.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// How many.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// How long after the answer there may be more.
    pub fn renewed_in(&self) -> Duration {
        self.renewed_in
    }
}
