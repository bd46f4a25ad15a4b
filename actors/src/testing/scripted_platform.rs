//! A platform that does what its script says, call by call, and remembers what was done to it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use crate::model::{
    AccessToken, Campaign, CampaignId, FailureClass, IdempotencyKey, Listed, Login, Page, PageRequest,
    SyncedCampaign,
};
use crate::permit::{Answer, Endpoint, Permit};
use crate::ports::{Platform, PlatformError};
use crate::quota_signals::QuotaSignals;
use crate::settings::RateLimit;

/// A request as the script sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which kind.
    pub endpoint: Endpoint,
    /// How many of this kind came before it.
    pub number: u64,
    /// The page, or the number of the campaign; 0 at a login.
    pub subject: u64,
    /// How many requests about the same subject came before it.
    pub repeat: u64,
    /// The generation of the token; 0 at a login.
    pub token: u64,
}

/// What a call meets with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// Success.
    Well,
    /// 503.
    Unavailable,
    /// No answer until the request's time is over.
    Hang,
    /// 429, with this hint.
    Throttle(Option<Duration>),
    /// 401.
    Unauthorized,
    /// 404, 400 and the like.
    Reject,
    /// The connection breaks before the answer.
    Disconnect,
    /// 200, and a body that nobody can read.
    Garble,
    /// A panic in the client's own code.
    Panic,
}

/// When the platform's own limit counts a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamping {
    /// As soon as it is sent.
    AtSending,
    /// Only when the answer is complete.
    AtAnswering,
    /// Anywhere between the two, at random.
    Anywhere,
}

type Script = Box<dyn Fn(&Call) -> Play>;
type Pages = Box<dyn Fn(PageRequest) -> Page>;

/// See the module.
pub struct ScriptedPlatform {
    script: Script,
    pages: Pages,
    latency: RangeInclusive<Duration>,
    list_latency: Option<Duration>,
    stamping: Stamping,
    token_life: Duration,
    request_timeout: Duration,
    rng: RefCell<SmallRng>,
    origin: Cell<Option<Instant>>,
    calls: RefCell<Vec<Call>>,
    stamps: RefCell<Vec<Duration>>,
    counts: RefCell<HashMap<(Endpoint, u64), u64>>,
    synced: RefCell<HashMap<u64, u64>>,
    keys: RefCell<HashMap<u64, Vec<IdempotencyKey>>>,
    in_flight: Cell<usize>,
    most_in_flight: Cell<usize>,
    remembers: bool,
    states: Vec<RateLimit>,
    renewals: RefCell<Vec<Result<bool, String>>>,
}

impl fmt::Debug for ScriptedPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedPlatform").finish_non_exhaustive()
    }
}

impl ScriptedPlatform {
    /// Lists so many campaigns honestly, and does everything well in 50 ms.
    pub fn obliging(campaigns: u64) -> Self {
        Self {
            script: Box::new(|_| Play::Well),
            pages: Box::new(move |request| honest_page(campaigns, request)),
            latency: Duration::from_millis(50)..=Duration::from_millis(50),
            list_latency: None,
            stamping: Stamping::AtSending,
            token_life: Duration::from_secs(3600),
            request_timeout: Duration::from_secs(10),
            rng: RefCell::new(SmallRng::seed_from_u64(7)),
            origin: Cell::new(None),
            calls: RefCell::default(),
            stamps: RefCell::default(),
            counts: RefCell::default(),
            synced: RefCell::default(),
            keys: RefCell::default(),
            in_flight: Cell::new(0),
            most_in_flight: Cell::new(0),
            remembers: true,
            states: vec![],
            renewals: RefCell::default(),
        }
    }

    /// With another script.
    pub fn playing(mut self, script: impl Fn(&Call) -> Play + 'static) -> Self {
        self.script = Box::new(script);
        self
    }

    /// Whose credentials, when they are read again, are these: others or not, or not to be had. Afterwards they stay.
    pub fn renewing(mut self, renewals: impl IntoIterator<Item = Result<bool, String>>) -> Self {
        self.renewals = RefCell::new(renewals.into_iter().collect());
        self.renewals.get_mut().reverse();
        self
    }

    /// With another listing.
    pub fn listing(mut self, pages: impl Fn(PageRequest) -> Page + 'static) -> Self {
        self.pages = Box::new(pages);
        self
    }

    /// Pages take as long as this.
    pub fn listing_within(mut self, latency: Duration) -> Self {
        self.list_latency = Some(latency);
        self
    }

    /// With latencies drawn at random from these.
    pub fn answering_within(mut self, latency: RangeInclusive<Duration>) -> Self {
        self.latency = latency;
        self
    }

    /// Counting requests at another time.
    pub fn stamping(mut self, stamping: Stamping) -> Self {
        self.stamping = stamping;
        self
    }

    /// With a head of each list's and sync's answer that states these limits.
    pub fn stating(mut self, limits: &[RateLimit]) -> Self {
        self.states = limits.to_vec();
        self
    }

    /// With tokens of another life.
    pub fn token_life(mut self, life: Duration) -> Self {
        self.token_life = life;
        self
    }

    /// With other random numbers.
    pub fn seeded(self, seed: u64) -> Self {
        *self.rng.borrow_mut() = SmallRng::seed_from_u64(seed);
        self
    }

    /// Keeps nothing of its calls, for runs whose memory is measured.
    pub fn forgetful(mut self) -> Self {
        self.remembers = false;
        self
    }

    /// All calls in their order.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.borrow().clone()
    }

    /// How often each campaign was synced with success, by its number.
    pub fn synced(&self) -> HashMap<u64, u64> {
        self.synced.borrow().clone()
    }

    /// The most keys that any campaign was synced under: one for each run.
    pub fn most_keys_of_one_campaign(&self) -> usize {
        self.keys.borrow().values().map(Vec::len).max().unwrap_or(0)
    }

    /// The most requests that it had at once.
    pub fn most_in_flight(&self) -> usize {
        self.most_in_flight.get()
    }

    /// The most requests that it counted within any window of this length.
    pub fn most_in_a_window(&self, window: Duration) -> usize {
        let mut stamps = self.stamps.borrow().clone();
        stamps.sort();
        let mut first = 0;
        let mut most = 0;
        for (last, stamp) in stamps.iter().enumerate() {
            while *stamp - stamps[first] >= window {
                first += 1;
            }
            most = most.max(last - first + 1);
        }
        most
    }

    /// When it counted its last request, from its first.
    pub fn makespan(&self) -> Duration {
        let stamps = self.stamps.borrow();
        stamps.iter().max().copied().unwrap_or_default() - stamps.iter().min().copied().unwrap_or_default()
    }

    /// Plays one call; what it yields is the answer's worth of time later.
    async fn play(
        &self,
        mut permit: Permit,
        endpoint: Endpoint,
        subject: u64,
        token: u64,
    ) -> Result<(), PlatformError> {
        permit.mark_sent();
        let play = (self.script)(&self.note(endpoint, subject, token));
        assert!(play != Play::Panic, "the script says so: {endpoint:?} of {subject}");
        let latency = match play {
            Play::Hang => self.request_timeout,
            _ => {
                let own = self.list_latency.filter(|_| endpoint == Endpoint::List);
                own.unwrap_or_else(|| self.rng.borrow_mut().random_range(self.latency.clone()))
            }
        };
        self.stamp(latency);
        let guest = Guest::enter(self);
        sleep(latency).await;
        drop(guest);
        let (answer, outcome) = match play {
            Play::Well => (Answer::Succeeded, Ok(())),
            Play::Hang => {
                permit.timed_out();
                return Err(transient(FailureClass::Timeout, "no answer"));
            }
            Play::Disconnect => {
                permit.disconnected();
                return Err(transient(FailureClass::Connection, "the connection broke"));
            }
            Play::Garble => (Answer::Unparsable, Err(transient(FailureClass::Unparsable, "it is no JSON"))),
            Play::Throttle(retry_after) => (Answer::Throttled, Err(PlatformError::Throttled { retry_after })),
            Play::Unauthorized => {
                (Answer::Unauthorized, Err(PlatformError::Unauthorized { message: "it said 401".into() }))
            }
            Play::Reject => {
                (Answer::Rejected, Err(PlatformError::Rejected { message: "it said 404".into() }))
            }
            Play::Unavailable | Play::Panic => {
                (Answer::Unavailable, Err(transient(FailureClass::Unavailable, "it said 503")))
            }
        };
        if endpoint != Endpoint::Auth {
            permit.heard(QuotaSignals { remaining: vec![], policies: self.states.clone() });
        }
        permit.answered(answer);
        outcome
    }

    fn note(&self, endpoint: Endpoint, subject: u64, token: u64) -> Call {
        if !self.remembers {
            return Call { endpoint, number: 0, subject, repeat: 0, token };
        }
        let mut calls = self.calls.borrow_mut();
        let mut counts = self.counts.borrow_mut();
        let repeat = counts.entry((endpoint, subject)).or_default();
        let number = calls.iter().filter(|call| call.endpoint == endpoint).count() as u64;
        let call = Call { endpoint, number, subject, repeat: *repeat, token };
        *repeat += 1;
        calls.push(call.clone());
        call
    }

    fn stamp(&self, latency: Duration) {
        let origin = self.origin.get().unwrap_or_else(Instant::now);
        self.origin.set(Some(origin));
        let until_counted = match self.stamping {
            Stamping::AtSending => Duration::ZERO,
            Stamping::AtAnswering => latency,
            Stamping::Anywhere => latency.mul_f64(self.rng.borrow_mut().random_range(0.0..=1.0)),
        };
        if self.remembers {
            self.stamps.borrow_mut().push(origin.elapsed() + until_counted);
        }
    }
}

/// Counts a request in and, however it ends, out.
struct Guest<'a>(&'a ScriptedPlatform);

impl<'a> Guest<'a> {
    fn enter(platform: &'a ScriptedPlatform) -> Self {
        platform.in_flight.set(platform.in_flight.get() + 1);
        platform.most_in_flight.set(platform.most_in_flight.get().max(platform.in_flight.get()));
        Self(platform)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
    }
}

impl Platform for ScriptedPlatform {
    async fn renew_credentials(&self) -> Result<bool, String> {
        self.renewals.borrow_mut().pop().unwrap_or(Ok(false))
    }

    async fn login(&self, permit: Permit) -> Result<Login, PlatformError> {
        self.play(permit, Endpoint::Auth, 0, 0).await?;
        Ok(Login { token: "a token".into(), expires_in: self.token_life })
    }

    async fn list(
        &self,
        permit: Permit,
        token: &AccessToken,
        page: PageRequest,
    ) -> Result<Page, PlatformError> {
        self.play(permit, Endpoint::List, page.page.into(), token.generation).await?;
        Ok((self.pages)(page))
    }

    async fn sync(
        &self,
        permit: Permit,
        token: &AccessToken,
        campaign: &Arc<Campaign>,
        key: &IdempotencyKey,
    ) -> Result<SyncedCampaign, PlatformError> {
        let number = number_of(&campaign.id);
        self.play(permit, Endpoint::Sync, number, token.generation).await?;
        if self.remembers {
            *self.synced.borrow_mut().entry(number).or_default() += 1;
            let mut keys = self.keys.borrow_mut();
            let keys = keys.entry(number).or_default();
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        Ok(SyncedCampaign { campaign: campaign.clone(), synced_at: SystemTime::UNIX_EPOCH })
    }
}

fn transient(class: FailureClass, message: &str) -> PlatformError {
    PlatformError::Transient { class, message: message.to_owned() }
}

/// The id of the campaign with this number.
pub fn campaign_id(number: u64) -> CampaignId {
    format!("c{number}").into()
}

/// The number in an id that [`campaign_id`] made.
pub(super) fn number_of(id: &CampaignId) -> u64 {
    id.as_str().trim_start_matches('c').parse().expect("an id of campaign_id")
}

/// The page that an honest platform with so many campaigns gives.
pub fn honest_page(campaigns: u64, PageRequest { page, limit }: PageRequest) -> Page {
    let limit = u64::from(limit.get());
    let first = u64::from(page - 1) * limit;
    let end = (first + limit).min(campaigns);
    let entries = (first..end).map(|number| Listed::Campaign(Arc::new(campaign(number)))).collect();
    Page { entries, has_more: end < campaigns, total: Some(campaigns) }
}

fn campaign(number: u64) -> Campaign {
    Campaign {
        id: campaign_id(number),
        name: format!("Campaign {number}"),
        status: "active".into(),
        budget: "12.50".into(),
        impressions: 1000,
        clicks: 10,
        conversions: 1,
        created_at: SystemTime::UNIX_EPOCH,
        payload: "{}".into(),
    }
}
