//! Stamping at sending rests on the spread of the latencies. What delays a burst as a whole shows in no spread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actors::model::{AccessToken, Campaign, IdempotencyKey, Login, Page, PageRequest, SyncedCampaign};
use actors::permit::{Answer, Permit};
use actors::ports::{Platform, PlatformError};
use actors::settings::{Concurrency, PipelineSettings};
use actors::testing::{TallyStore, honest_page, in_virtual_time, limit, run_to_end, settings};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);
const CAMPAIGNS: u64 = 236;

/// Its first requests reach it late, all of them by as much (many new connections at once); no later one does.
struct SlowToWarmUp {
    late: Duration,
    until: usize,
    origin: Cell<Option<Instant>>,
    stamps: RefCell<Vec<Duration>>,
}

impl SlowToWarmUp {
    async fn answer(&self, mut permit: Permit) {
        permit.mark_sent();
        let origin = self.origin.get().unwrap_or_else(Instant::now);
        self.origin.set(Some(origin));
        let is_early = self.stamps.borrow().len() < self.until;
        sleep(if is_early { self.late } else { Duration::from_millis(1) }).await;
        self.stamps.borrow_mut().push(origin.elapsed());
        sleep(Duration::from_millis(200)).await;
        permit.answered(Answer::Succeeded);
    }

    fn most_in_a_second(&self) -> usize {
        let stamps = self.stamps.borrow();
        let within =
            |from: &Duration| stamps.iter().filter(|at| **at >= *from && **at < *from + SECOND).count();
        stamps.iter().map(within).max().unwrap_or(0)
    }
}

impl Platform for SlowToWarmUp {
    async fn login(&self, permit: Permit) -> Result<Login, PlatformError> {
        self.answer(permit).await;
        Ok(Login { token: "a token".into(), expires_in: 3600 * SECOND })
    }

    async fn list(&self, permit: Permit, _: &AccessToken, page: PageRequest) -> Result<Page, PlatformError> {
        self.answer(permit).await;
        Ok(honest_page(CAMPAIGNS, page))
    }

    async fn sync(
        &self,
        permit: Permit,
        _: &AccessToken,
        campaign: &Arc<Campaign>,
        _: &IdempotencyKey,
    ) -> Result<SyncedCampaign, PlatformError> {
        self.answer(permit).await;
        Ok(SyncedCampaign { campaign: campaign.clone(), synced_at: SystemTime::UNIX_EPOCH })
    }
}

#[test]
fn a_delay_that_all_requests_of_the_first_bursts_share_breaks_no_limit() {
    for (late, until) in [(10, 40), (30, 40), (20, 34), (20, 80), (20, 100), (60, 40), (60, 60)] {
        for concurrency in [8, 32, 64] {
            let platform = Rc::new(SlowToWarmUp {
                late: Duration::from_millis(late),
                until,
                origin: Cell::default(),
                stamps: RefCell::default(),
            });
            let store = Rc::new(TallyStore::for_campaigns(CAMPAIGNS));
            let settings = PipelineSettings {
                rate_limits: vec![limit(40, SECOND)],
                concurrency: Concurrency::new(concurrency).expect("in range"),
                ..settings()
            };
            in_virtual_time(run_to_end(settings, &platform, &store));
            assert_eq!(store.stored(), CAMPAIGNS);
            let most = platform.most_in_a_second();
            assert!(
                most <= 40,
                "{most} in a second: {late} ms late until {until}, concurrency {concurrency}"
            );
        }
    }
}
