//! `Pipeline`: owns every campaign that is in flight, gives work only to who is idle, and folds what happens
//! into the report. A campaign is in exactly one place: ready, with a `SyncActor`, uncommitted, stored, skipped, or a
//! dead letter; it is acknowledged when its batch has committed. The pipeline itself is not restarted: it does
//! nothing that can fail, and the next run starts from what is committed.

mod completeness;
mod ending;
mod handlers;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix::prelude::*;
use foldhash::quality::RandomState;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle};
use tracing::{Instrument, error, info, warn};

use crate::auth_actor::AuthError;
use crate::fleet::UncommittedShare;
use crate::listing::{Completeness, Listing};
use crate::metrics::{self, AccountMetrics};
use crate::model::{
    Campaign, CampaignId, DeadLetter, FailureClass, IdempotencyKey, Listed, Page, Run, SettledBy,
    SettledCampaign,
};
use crate::pager_actor::FetchPage;
use crate::ports::StoreError;
use crate::progress::ProgressSender;
use crate::rate_limiter::{CannotGoOn, CloseDoor, RateLimiter};
use crate::report::{CampaignCounts, Problem, ProblemClass, RestartCounts, Status};
use crate::requester::{GaveUp, RequestError};
use crate::settings::{
    MOST_PASSED_OVER, PipelineSettings, READY_PER_SYNC_ACTOR, RestartIntensity, WIND_DOWN,
};
use crate::skipped::Skipped;
use crate::store_actor::{BatchCommitted, FindSettled, Flush, Keep, Member, Settled, StoreBroke};
use crate::supervision::{ActorKind, Crashed, RestartWindow};
use crate::sync_actor::{SyncCampaign, SyncFinished};

/// Whom the pipeline gives work to.
pub(crate) struct Crew {
    pub(crate) pager: Recipient<FetchPage>,
    pub(crate) limiter: Addr<RateLimiter>,
    pub(crate) keep: Recipient<Keep>,
    pub(crate) flush: Recipient<Flush>,
    /// Of the run, for those whom it keeps what for.
    pub(crate) member: Arc<Member>,
    pub(crate) find_settled: Recipient<FindSettled>,
    pub(crate) share: UncommittedShare,
    /// For a slot.
    pub(crate) hire: Box<dyn Fn(usize) -> NewSyncActor>,
}

/// Where to send its work, and its life, which yields the panic that ended it.
pub(crate) type NewSyncActor = (Recipient<SyncCampaign>, JoinHandle<Option<String>>);

/// What became of it all.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    /// See [`crate::report::AccountReport::listing_proven`].
    pub(crate) listing_proven: bool,
    pub(crate) campaigns: CampaignCounts,
    pub(crate) dead_lettered: BTreeMap<FailureClass, u64>,
    pub(crate) restarts: RestartCounts,
    pub(crate) problems: Vec<Problem>,
    /// See [`crate::report::AccountReport::quota_back_in`].
    pub(crate) quota_back_in: Option<Duration>,
}

/// Stopped from outside: finish what is begun, begin nothing.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Stop;

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct PageFetched(Result<Result<Page, RequestError>, MailboxError>);

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct PageSifted {
    sifted: Sifted,
    settled: Result<Result<Vec<SettledCampaign>, StoreError>, MailboxError>,
}

/// A page without the campaigns that were live when it came.
#[derive(Debug)]
struct Sifted {
    /// Of all its entries, for the listing's evidence.
    fingerprints: Vec<u64>,
    rest: Vec<Listed>,
    has_more: bool,
    total: Option<u64>,
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct SyncActorExited {
    slot: usize,
    panic: Option<String>,
}

/// A campaign on its way, and how often it took its `SyncActor` down.
#[derive(Debug)]
struct Lease {
    campaign: Arc<Campaign>,
    crashes: u32,
    first_crash: Option<SystemTime>,
}

/// A place in the pool. Idle: a worker and no lease.
#[derive(Default)]
struct Slot {
    worker: Option<Worker>,
    lease: Option<Lease>,
}

struct Worker {
    door: Recipient<SyncCampaign>,
    abort: AbortHandle,
}

/// See the module.
pub(crate) struct Pipeline {
    settings: PipelineSettings,
    run: Run,
    crew: Crew,
    slots: Vec<Slot>,
    pool_crashes: RestartWindow,
    listing: Listing,
    page_pending: bool,
    /// Campaigns that were begun while the last page was on its way, or have been while this one is.
    begun_meanwhile: usize,
    ready: VecDeque<Lease>,
    /// Everything that is ready, in flight or uncommitted.
    live: HashSet<CampaignId, RandomState>,
    uncommitted: usize,
    stored: u64,
    skipped: Skipped,
    /// By a replay: fingerprints of what it is not to try, for the listing's evidence.
    passed_over: HashSet<u64>,
    dead_lettered: BTreeMap<FailureClass, u64>,
    restarts: RestartCounts,
    problems: Vec<Problem>,
    quota_back_in: Option<Duration>,
    /// Set once the run is ending early.
    ending: Option<Status>,
    flushed: bool,
    outcome: Option<oneshot::Sender<Outcome>>,
    progress: Arc<ProgressSender>,
    metrics: Arc<AccountMetrics>,
}

impl Pipeline {
    pub(crate) fn new(
        settings: PipelineSettings,
        run: Run,
        crew: Crew,
        progress: Arc<ProgressSender>,
        metrics: Arc<AccountMetrics>,
        outcome: oneshot::Sender<Outcome>,
    ) -> Self {
        Self {
            slots: (0..settings.concurrency.get()).map(|_| Slot::default()).collect(),
            pool_crashes: RestartWindow::new(RestartIntensity::pool(settings.concurrency)),
            listing: Listing::new(settings.page_size),
            settings,
            run,
            crew,
            page_pending: false,
            begun_meanwhile: 0,
            ready: VecDeque::new(),
            live: HashSet::default(),
            uncommitted: 0,
            stored: 0,
            skipped: Skipped::default(),
            passed_over: HashSet::new(),
            dead_lettered: BTreeMap::new(),
            restarts: RestartCounts::default(),
            problems: Vec::new(),
            quota_back_in: None,
            ending: None,
            flushed: false,
            outcome: Some(outcome),
            progress,
            metrics,
        }
    }

    /// Moves everything that can move.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if self.outcome.is_none() {
            return;
        }
        self.dispatch();
        self.ask_for_page(ctx);
        self.publish();
        let listing_over = self.ending.is_some() || (self.listing.next().is_none() && !self.page_pending);
        if listing_over && self.ready.is_empty() && self.in_flight() == 0 {
            if self.uncommitted == 0 {
                self.finish();
            } else if !self.flushed {
                self.flushed = true;
                self.crew.flush.do_send(Flush);
            }
        }
    }

    /// A campaign goes to a `SyncActor` only when it is idle, and nothing new begins while too much is
    /// uncommitted: that bounds the memory, whatever the mailboxes do.
    fn dispatch(&mut self) {
        if self.ending.is_some() {
            return;
        }
        let most_uncommitted = self.most_uncommitted();
        for slot in &mut self.slots {
            if self.uncommitted >= most_uncommitted {
                if self.crew.share.is_split() {
                    // It cannot fill a batch by itself.
                    self.crew.flush.do_send(Flush);
                }
                return;
            }
            let (Some(worker), None) = (&slot.worker, &slot.lease) else { continue };
            let Some(lease) = self.ready.pop_front() else { return };
            let work = SyncCampaign {
                campaign: lease.campaign.clone(),
                key: IdempotencyKey::new(self.run.id, &lease.campaign.id),
            };
            slot.lease = Some(lease);
            self.begun_meanwhile += usize::from(self.page_pending);
            // One that has died meanwhile is seen to exit.
            worker.door.do_send(work);
        }
    }

    fn most_uncommitted(&self) -> usize {
        self.crew.share.of(self.settings.concurrency.get())
    }

    /// Asked for only when there is soon nothing to do: when twice as many are left as were begun while the last page was
    /// on its way. Where requests wait for the limit or the platform that is few, and what is listed does not grow old. No
    /// more than a page, which bounds the memory.
    fn ask_for_page(&mut self, ctx: &mut Context<Self>) {
        let for_a_page = (2 * self.begun_meanwhile).min(self.settings.page_size.get() as usize);
        let low_water = (READY_PER_SYNC_ACTOR * self.settings.concurrency.get()).max(for_a_page);
        let enough = self.ready.len() >= low_water || self.uncommitted >= self.most_uncommitted();
        if self.page_pending || self.ending.is_some() || enough {
            return;
        }
        if let Some(request) = self.listing.next() {
            self.page_pending = true;
            self.begun_meanwhile = 0;
            let (reply, pipeline) = (self.crew.pager.send(FetchPage(request)), ctx.address());
            let fetch = async move { pipeline.do_send(PageFetched(reply.await)) };
            actix::spawn(fetch.in_current_span());
        }
    }

    /// What is live is known here; what the run has settled is known to the store. The live ones are taken out
    /// before it is asked: one that is committed meanwhile is neither live afterwards nor in the answer.
    fn sift(&mut self, page: Page) -> Sifted {
        let fingerprints = page.entries.iter().map(|entry| fingerprint(entry.id())).collect();
        let rest = page.entries.into_iter().filter(|entry| !self.live.contains(entry.id())).collect();
        Sifted { fingerprints, rest, has_more: page.has_more, total: page.total }
    }

    fn find_settled(&self, sifted: Sifted, ctx: &mut Context<Self>) {
        let unknown = sifted.rest.iter().map(Listed::id).cloned().collect();
        let (reply, pipeline) = (
            self.crew.find_settled.send(FindSettled { member: self.crew.member.clone(), ids: unknown }),
            ctx.address(),
        );
        let ask = async move { pipeline.do_send(PageSifted { sifted, settled: reply.await }) };
        actix::spawn(ask.in_current_span());
    }

    /// What the run stored before this process took it over is skipped, and yet new to this listing when it is first
    /// shown: the listing's evidence is of what it shows.
    fn take_in(&mut self, page: Sifted, settled: Vec<SettledCampaign>) {
        let settled: HashMap<CampaignId, SettledBy> = settled.into_iter().map(|s| (s.id, s.by)).collect();
        let mut fresh = 0;
        for entry in page.rest {
            match settled.get(entry.id()) {
                Some(SettledBy::EarlierProcess { number }) => {
                    fresh += u64::from(self.skipped.see(*number));
                    continue;
                }
                Some(SettledBy::NotToReplay) => {
                    fresh += u64::from(self.passed_over.insert(fingerprint(entry.id())));
                    continue;
                }
                Some(SettledBy::ThisProcess) => continue,
                None if !self.live.insert(entry.id().clone()) => continue,
                None => fresh += 1,
            }
            match entry {
                Listed::Campaign(campaign) => {
                    self.ready.push_back(Lease { campaign, crashes: 0, first_crash: None })
                }
                Listed::Malformed { id, message, payload } => {
                    let cause = GaveUp {
                        class: FailureClass::Malformed,
                        message,
                        attempts: 0,
                        first_failed_at: SystemTime::now(),
                    };
                    self.bury(id, payload, cause);
                }
            }
        }
        self.listing.observe(&page.fingerprints, fresh, page.has_more, page.total);
        if self.passed_over.len() >= MOST_PASSED_OVER && self.listing.next().is_some() {
            self.listing.break_off("a replay looks no further, every run tries the others");
        }
    }

    fn keep(&mut self, settled: Settled) {
        self.uncommitted += 1;
        self.crew.keep.do_send(Keep(self.crew.member.clone(), settled));
    }

    fn bury(&mut self, id: CampaignId, payload: Box<str>, cause: GaveUp) {
        let GaveUp { class, attempts, message, .. } = &cause;
        warn!(campaign = %id, %class, attempts, cause = %message, "campaign given up");
        self.keep(Settled::GivenUp(DeadLetter {
            id,
            class: cause.class,
            message: cause.message,
            attempts: cause.attempts,
            payload,
            first_failed_at: cause.first_failed_at,
            last_failed_at: SystemTime::now(),
        }));
    }

    /// The campaign took its `SyncActor` down: once more with another, then no more.
    fn recover(&mut self, mut lease: Lease, cause: &str) {
        lease.crashes += 1;
        let first_failed_at = *lease.first_crash.get_or_insert_with(SystemTime::now);
        if lease.crashes == 1 {
            // A run that ends early leaves it to do.
            if self.ending.is_none() {
                self.ready.push_front(lease);
            }
        } else {
            let cause = GaveUp {
                class: FailureClass::Panicked,
                message: format!("the program failed on this campaign twice, last with: {cause}"),
                attempts: lease.crashes,
                first_failed_at,
            };
            self.bury(lease.campaign.id.clone(), lease.campaign.payload.clone(), cause);
        }
    }

    fn hire(&mut self, index: usize, ctx: &mut Context<Self>) {
        let (door, life) = (self.crew.hire)(index);
        self.slots[index].worker = Some(Worker { door, abort: life.abort_handle() });
        let pipeline = ctx.address();
        let watch = async move {
            // Aborted only by the end of the run, when nobody listens any more.
            let panic = life.await.unwrap_or(None);
            pipeline.do_send(SyncActorExited { slot: index, panic });
        };
        actix::spawn(watch.in_current_span());
    }

    /// Campaigns that are the run's to settle.
    pub(super) fn distinct(&self) -> u64 {
        self.listing.distinct - self.passed_over.len() as u64
    }

    fn campaigns(&self) -> CampaignCounts {
        CampaignCounts {
            listed: self.listing.listed,
            distinct: self.distinct(),
            reported_total: match &self.run.replay {
                Some(replay) => Some(replay.letters),
                None => self.listing.reported_total,
            },
            stored: self.stored,
            skipped: self.skipped.count(),
            dead_lettered: self.dead_lettered(),
        }
    }

    fn dead_lettered(&self) -> u64 {
        self.dead_lettered.values().sum()
    }

    fn in_flight(&self) -> usize {
        self.slots.iter().filter(|slot| slot.lease.is_some()).count()
    }

    fn publish(&self) {
        let (campaigns, in_flight) = (self.campaigns(), self.in_flight());
        let RestartCounts { auth, pager, rate_limiter, sync, store } = self.restarts;
        self.metrics.pipeline_stands(self.ready.len(), in_flight, self.uncommitted);
        self.progress.send_if_modified(|progress| {
            // Somebody waits for it. Who watches the rest looks by the clock, and to wake others costs as much as all of this.
            let is_total_new = progress.reported_total != campaigns.reported_total;
            let before = [progress.stored, progress.skipped, progress.dead_lettered];
            self.metrics.campaigns_settled(before, &campaigns);
            progress.distinct = campaigns.distinct;
            progress.reported_total = campaigns.reported_total;
            progress.listing_ended = self.listing.end().is_some();
            progress.stored = campaigns.stored;
            progress.stored_before = self.run.stored_before;
            progress.skipped = campaigns.skipped;
            progress.dead_lettered = campaigns.dead_lettered;
            progress.in_flight = in_flight;
            progress.restarts = auth + pager + rate_limiter + sync + store;
            is_total_new
        });
    }
}

impl Actor for Pipeline {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        (0..self.slots.len()).for_each(|index| self.hire(index, ctx));
        self.pump(ctx);
    }
}

/// What the listing tells campaigns apart by: it needs no more.
fn fingerprint(id: &CampaignId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

fn gave_up_on(actor: ActorKind, cause: &str) -> String {
    format!("{actor} panicked more often than it is restarted, last with: {cause}")
}
