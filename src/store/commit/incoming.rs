//! What is to be stored of each run, as the columns of the statements that store it.

use std::collections::HashSet;
use std::hash::Hash;

use actors::model::{DeadLetter, Run, SyncedCampaign};
use actors::ports::{Share, StoreError};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};
use uuid::Uuid;

use crate::store::numbering::Numbering;
use crate::store::{Failure, count, storable};

/// What the runs share, by the places of the runs.
pub(super) struct Incoming<'a> {
    pub(super) runs: Vec<&'a Run>,
    accounts: Vec<&'a str>,
    run_ids: Vec<Uuid>,
    epochs: Vec<i64>,
    /// Of those that each run's campaigns may get.
    first_numbers: Vec<i64>,
    synced: Vec<OfRun<'a, SyncedCampaign>>,
    pub(super) letters: Vec<OfRun<'a, DeadLetter>>,
    /// How many of them are each run's.
    campaign_counts: Vec<i64>,
    letter_counts: Vec<i64>,
}

/// A campaign or a dead letter.
pub(super) struct OfRun<'a, T> {
    /// The place of its run, counted from 1.
    n: i64,
    /// Its own within what is the run's, from 0.
    place: i64,
    item: &'a T,
}

impl<'a> Incoming<'a> {
    pub(super) fn of(shares: &'a [Share], numbering: &Numbering) -> Result<Self, Failure> {
        let runs: Vec<&Run> = shares.iter().map(|share| &*share.run).collect();
        let mut incoming = Self {
            accounts: runs.iter().map(|run| run.account.as_str()).collect(),
            run_ids: runs.iter().map(|run| run.id).collect(),
            epochs: runs.iter().map(|run| run.epoch).collect(),
            runs,
            first_numbers: vec![],
            synced: vec![],
            letters: vec![],
            campaign_counts: vec![],
            letter_counts: vec![],
        };
        for (n, Share { run, batch }) in (1..).zip(shares) {
            let synced = last_of_each(&batch.synced, |synced| synced.campaign.id.as_str());
            for synced in &synced {
                storable::campaign(synced).map_err(|why| Failure::Store(StoreError::Refused(why)))?;
            }
            let stored: HashSet<&str> = synced.iter().map(|synced| synced.campaign.id.as_str()).collect();
            let mut letters = last_of_each(&batch.dead_letters, |letter| storable::id(letter.id.as_str()));
            letters.retain(|letter| !stored.contains(letter.id.as_str()));
            incoming.first_numbers.push(numbering.take(run, synced.len()));
            incoming.campaign_counts.push(count(synced.len() as u64));
            incoming.letter_counts.push(count(letters.len() as u64));
            incoming.synced.extend(of_run(n, synced));
            incoming.letters.extend(of_run(n, letters));
        }
        Ok(incoming)
    }

    pub(super) fn has_some_of(&self, index: usize) -> bool {
        self.campaign_counts[index] + self.letter_counts[index] > 0
    }

    pub(super) async fn store(
        &self,
        client: &Client,
        statement: &Statement,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        if self.synced.is_empty() {
            return Ok(vec![]);
        }
        let all = || self.synced.iter().map(|of_run| of_run.item);
        let texts = |text: fn(&SyncedCampaign) -> &str| all().map(text).collect::<Vec<_>>();
        let numbers = |number: fn(&SyncedCampaign) -> i64| all().map(number).collect::<Vec<_>>();
        let columns: [&(dyn ToSql + Sync); 17] = [
            &self.accounts,
            &self.run_ids,
            &self.epochs,
            &self.first_numbers,
            &self.campaign_counts,
            &self.letter_counts,
            &self.synced.iter().map(|of_run| of_run.n).collect::<Vec<_>>(),
            &self.synced.iter().map(|of_run| of_run.place).collect::<Vec<_>>(),
            &texts(|s| s.campaign.id.as_str()),
            &texts(|s| &s.campaign.name),
            &texts(|s| &s.campaign.status),
            &texts(|s| &s.campaign.budget),
            &numbers(|s| s.campaign.impressions),
            &numbers(|s| s.campaign.clicks),
            &numbers(|s| s.campaign.conversions),
            &all().map(|s| s.campaign.created_at).collect::<Vec<_>>(),
            &all().map(|s| s.synced_at).collect::<Vec<_>>(),
        ];
        client.query(statement, &columns).await
    }

    pub(super) async fn bury(
        &self,
        client: &Client,
        statement: &Statement,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        if self.letters.is_empty() {
            return Ok(vec![]);
        }
        // What the other statement has recorded is not recorded twice.
        let nothing = vec![0; self.runs.len()];
        let letter_counts = if self.synced.is_empty() { &self.letter_counts } else { &nothing };
        let all = || self.letters.iter().map(|of_run| of_run.item);
        let columns: [&(dyn ToSql + Sync); 14] = [
            &self.accounts,
            &self.run_ids,
            &self.epochs,
            &self.first_numbers,
            &nothing,
            letter_counts,
            &self.letters.iter().map(|of_run| of_run.n).collect::<Vec<_>>(),
            &all().map(|l| storable::id(l.id.as_str())).collect::<Vec<_>>(),
            &all().map(|l| l.class.as_str()).collect::<Vec<_>>(),
            &all().map(|l| storable::text(&l.message)).collect::<Vec<_>>(),
            &all().map(|l| i64::from(l.attempts)).collect::<Vec<_>>(),
            &all().map(|l| storable::text(&l.payload)).collect::<Vec<_>>(),
            &all().map(|l| storable::clamped(l.first_failed_at)).collect::<Vec<_>>(),
            &all().map(|l| storable::clamped(l.last_failed_at)).collect::<Vec<_>>(),
        ];
        client.query(statement, &columns).await
    }
}

fn of_run<T>(n: i64, items: Vec<&T>) -> impl Iterator<Item = OfRun<'_, T>> {
    (0..).zip(items).map(move |(place, item)| OfRun { n, place, item })
}

/// In order, without what a later one with the same key replaces.
fn last_of_each<'a, T, K: Eq + Hash>(all: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<&'a T> {
    let mut seen = HashSet::with_capacity(all.len());
    let mut kept: Vec<_> = all.iter().rev().filter(|item| seen.insert(key(item))).collect();
    kept.reverse();
    kept
}
