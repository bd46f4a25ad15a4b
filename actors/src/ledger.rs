//! What was spent of the limits survives the process: before a request is sent, the database knows that it may be.
//!
//! The limiter records leases: so many requests may yet be sent, until then. A process that is killed leaves a
//! record that says at least as much as it did, so the next one errs on the side of waiting. A lease covers what can
//! be sent while it lasts and is written before it is needed, so that no request but the first waits for a write.

use std::sync::Arc;
use std::time::Duration;

use actix::dev::RecipientRequest;
use actix::prelude::*;

use crate::model::{Run, Spent};
use crate::ports::StoreError;
use crate::settings::RateLimit;

/// Asks for the run's record to be kept; the reply comes when it is durable. None comes where a newer one takes its place.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub(crate) struct KeepSpent {
    pub(crate) run: Arc<Run>,
    pub(crate) spent: Spent,
}

/// Permits that one lease covers at the most. More would save no write that anybody notices, and after a crash they
/// count as spent, for a day where the window is a day.
const MOST_LEASED: usize = 1000;

/// How long a lease lasts: a part of the window, because after a crash what was leased counts from its end.
const LEASE_SHARE: u32 = 4;
const SHORTEST_LEASE: Duration = Duration::from_millis(250);
const LONGEST_LEASE: Duration = Duration::from_secs(5);

/// How much later than its sending the platform counts a request whose sender was killed: the way there.
const LONGEST_WAY: Duration = Duration::from_secs(1);

/// Stamps closer to each other than this, or than this part of their age, are recorded as one, at the later time.
const RESOLUTION: Duration = Duration::from_millis(5);
const RELATIVE_RESOLUTION: u32 = 64;

/// The lease that a limiter works under.
pub(crate) struct Ledger {
    keeper: Recipient<KeepSpent>,
    run: Arc<Run>,
    /// How many can ask for a permit at once.
    askers: usize,
    /// How long a lease lasts; none where there is no limit: then nothing is spent.
    lasts: Option<Duration>,
    left: usize,
    valid_until: Duration,
    writing: bool,
}

/// Under a set of limits.
fn lease_time(limits: &[RateLimit]) -> Option<Duration> {
    let shortest = limits.iter().map(|limit| limit.window()).min()?;
    Some((shortest / LEASE_SHARE).clamp(SHORTEST_LEASE, LONGEST_LEASE))
}

impl Ledger {
    /// For so many who can ask for a permit at once.
    pub(crate) fn new(
        keeper: Recipient<KeepSpent>,
        run: Arc<Run>,
        limits: &[RateLimit],
        askers: usize,
    ) -> Self {
        Self {
            keeper,
            run,
            askers,
            lasts: lease_time(limits),
            left: 0,
            valid_until: Duration::ZERO,
            writing: false,
        }
    }

    /// From now on leases are measured for these limits; the one that holds, holds.
    pub(crate) fn measure_for(&mut self, limits: &[RateLimit]) {
        self.lasts = lease_time(limits);
    }

    /// Whether a request may be sent now without another word to the database.
    pub(crate) fn allows(&self, now: Duration) -> bool {
        self.lasts.is_none() || (self.left > 0 && now < self.valid_until)
    }

    /// One is granted.
    pub(crate) fn spend(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    /// When to look at the lease again, for a permit that is due then: early enough to have it renewed.
    pub(crate) fn look_ahead(&self, now: Duration, due: Duration) -> Duration {
        let early = self.lasts.map_or(due, |lasts| due.saturating_sub(lasts / 4));
        if early > now { early } else { due }
    }

    /// How many more to lease, if any: as many as can be sent by those who ask, with requests that take so long, and
    /// as limits allow, which `grantable` says: how many by that time, of so many.
    pub(crate) fn due(
        &self,
        now: Duration,
        latency: Duration,
        grantable: impl FnOnce(Duration, usize) -> usize,
    ) -> Option<usize> {
        let lasts = self.lasts.filter(|_| !self.writing)?;
        let rounds = lasts.as_nanos().checked_div(latency.as_nanos()).unwrap_or(0);
        let rounds = usize::try_from(rounds).unwrap_or(usize::MAX).saturating_add(1);
        let most = self.askers.saturating_mul(rounds).min(MOST_LEASED);
        let runs_out = now + lasts / 2 >= self.valid_until;
        if !runs_out && self.left * 2 >= most {
            return None;
        }
        let wanted = grantable(now + lasts, most);
        let is_due = wanted > 0 && (runs_out || self.left * 2 < wanted);
        is_due.then(|| wanted.saturating_sub(self.left))
    }

    /// What has to be recorded before `more` requests may be sent, and until when they may.
    pub(crate) fn extend(
        &mut self,
        now: Duration,
        more: usize,
        counted: impl DoubleEndedIterator<Item = (Duration, u32)>,
        in_flight: usize,
        stated: Vec<RateLimit>,
    ) -> (RecipientRequest<KeepSpent>, Lease) {
        self.writing = true;
        let lasts = self.lasts.unwrap_or(SHORTEST_LEASE);
        let lease = Lease { more, until: now + lasts };
        let leased = (lasts + LONGEST_WAY, in_flight + self.left + more);
        (self.keep(Spent { stated, ..record(now, counted, leased) }), lease)
    }

    /// The record is kept, or it is not.
    pub(crate) fn conclude(&mut self, lease: Option<Lease>) {
        self.writing = false;
        if let Some(Lease { more, until }) = lease {
            self.left += more;
            self.valid_until = until;
        }
    }

    /// The end of a run: what was leased and not sent is given back. None where nothing was spent.
    pub(crate) fn settle(
        &mut self,
        now: Duration,
        counted: impl DoubleEndedIterator<Item = (Duration, u32)>,
        in_flight: usize,
        stated: Vec<RateLimit>,
    ) -> Option<RecipientRequest<KeepSpent>> {
        self.lasts?;
        self.left = 0;
        let settled = record(now, counted, (LONGEST_WAY, in_flight));
        Some(self.keep(Spent { stated, ..settled }))
    }

    fn keep(&self, spent: Spent) -> RecipientRequest<KeepSpent> {
        self.keeper.send(KeepSpent { run: self.run.clone(), spent })
    }
}

/// What a write that is under way will allow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    more: usize,
    until: Duration,
}

/// Stamps in ascending order, coarsened so that the record of a long window stays small; a stamp that is yet to
/// come is leased.
fn record(
    now: Duration,
    counted: impl DoubleEndedIterator<Item = (Duration, u32)>,
    (mut leased_for, mut leased): (Duration, usize),
) -> Spent {
    let mut coarse: Vec<(Duration, u32)> = Vec::new();
    for (stamp, requests) in counted.rev() {
        let Some(age) = now.checked_sub(stamp) else {
            leased_for = leased_for.max(stamp - now);
            leased = leased.saturating_add(requests as usize);
            continue;
        };
        match coarse.last_mut() {
            Some((younger, count)) if age - *younger <= (*younger / RELATIVE_RESOLUTION).max(RESOLUTION) => {
                *count = count.saturating_add(requests);
            }
            _ => coarse.push((age, requests)),
        }
    }
    Spent { counted: coarse, leased: (leased_for, u32::try_from(leased).unwrap_or(u32::MAX)), stated: vec![] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn once(stamp: Duration) -> (Duration, u32) {
        (stamp, 1)
    }

    #[test]
    fn a_record_rounds_each_stamp_to_a_later_time_and_never_to_an_earlier_one() {
        let stamps = [ms(1_000), ms(1_010), ms(58_000), ms(59_996), ms(59_999)];
        let spent = record(ms(60_000), stamps.into_iter().map(once), (ms(5), 3));
        assert_eq!(spent.counted, [(ms(1), 2), (ms(2_000), 1), (ms(58_990), 2)]);
        assert_eq!(spent.leased, (ms(5), 3));
    }

    #[test]
    fn a_stamp_that_is_yet_to_come_is_leased_until_then() {
        let spent = record(ms(1_000), [ms(900), ms(9_000)].into_iter().map(once), (ms(50), 1));
        assert_eq!((spent.counted, spent.leased), (vec![(ms(100), 1)], (ms(8_000), 2)));
    }

    #[test]
    fn the_record_of_a_day_of_requests_is_small() {
        let day = (0..100_000).map(|n| ms(n * 864));
        let spent = record(ms(86_400_000), day.map(once), (ms(5), 0));
        assert!(spent.counted.len() < 1_200, "{} entries", spent.counted.len());
        assert_eq!(spent.counted.iter().map(|(_, count)| count).sum::<u32>(), 100_000);
    }
}
