//! A run that is stopped from outside, on a paused clock: the sleeps say when.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actors::model::{AccessToken, Campaign, IdempotencyKey, Login, Page, PageRequest, SyncedCampaign};
use actors::permit::{Endpoint, Permit};
use actors::ports::{Platform, PlatformError};
use actors::report::Status;
use actors::settings::PipelineSettings;
use actors::testing::{MemoryStore, Play, ScriptedPlatform, in_virtual_time, limit, settings, unwatched};
use tokio::time::Instant;

#[test]
fn a_stopped_run_commits_what_was_synced_and_says_interrupted() {
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(1000)), Rc::new(MemoryStore::default()));
    let stop = tokio::time::sleep;
    let report = in_virtual_time(async {
        let shutdown = async move { stop(Duration::from_secs(1)).await };
        actors::run(settings(), platform.clone(), store.clone(), unwatched(), shutdown).await
    });
    assert_eq!(report.status, Status::Interrupted);
    assert_eq!(platform.synced().len(), store.rows().len(), "all that the platform confirmed is stored");
    assert_eq!(report.campaigns.stored, store.rows().len() as u64);
    assert!((100..200).contains(&store.rows().len()), "{}", store.rows().len());
    assert!(report.duration < Duration::from_secs(2));
    assert_eq!((Rc::strong_count(&platform), Rc::strong_count(&store)), (1, 1));
}

#[test]
fn a_stopped_run_waits_for_a_request_that_hangs_no_longer_than_five_seconds() {
    let platform = ScriptedPlatform::obliging(100).playing(|call| match call.endpoint {
        Endpoint::Sync => Play::Hang,
        _ => Play::Well,
    });
    let (platform, store) = (Rc::new(platform), Rc::new(MemoryStore::default()));
    let report = in_virtual_time(async {
        let shutdown = tokio::time::sleep(Duration::from_secs(1));
        let report = actors::run(settings(), platform.clone(), store.clone(), unwatched(), shutdown).await;
        assert_eq!(
            (Rc::strong_count(&platform), Rc::strong_count(&store)),
            (1, 1),
            "nothing is left running"
        );
        report
    });
    assert_eq!(report.status, Status::Interrupted);
    assert!(report.duration <= Duration::from_millis(6010), "{:?}", report.duration);
}

#[test]
fn a_stopped_run_does_not_wait_for_permits() {
    let settings = PipelineSettings { rate_limits: vec![limit(20, Duration::from_secs(60))], ..settings() };
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(100)), Rc::new(MemoryStore::default()));
    let report = in_virtual_time(async {
        let shutdown = tokio::time::sleep(Duration::from_secs(20));
        actors::run(settings, platform.clone(), store.clone(), unwatched(), shutdown).await
    });
    assert_eq!((report.status, report.requests.total), (Status::Interrupted, 20));
    assert!(report.duration < Duration::from_secs(21), "{:?}", report.duration);
}

/// Its client panics instead of taking the answer to a sync call, once that comes so late.
struct PanicsLate(ScriptedPlatform, Instant);

impl Platform for PanicsLate {
    async fn login(&self, permit: Permit) -> Result<Login, PlatformError> {
        self.0.login(permit).await
    }

    async fn list(
        &self,
        permit: Permit,
        token: &AccessToken,
        page: PageRequest,
    ) -> Result<Page, PlatformError> {
        self.0.list(permit, token, page).await
    }

    async fn sync(
        &self,
        permit: Permit,
        token: &AccessToken,
        campaign: &Arc<Campaign>,
        key: &IdempotencyKey,
    ) -> Result<SyncedCampaign, PlatformError> {
        let answer = self.0.sync(permit, token, campaign, key).await;
        assert!(Instant::now() < self.1, "the client's own bug");
        answer
    }
}

#[test]
fn a_campaign_that_panics_after_the_stop_is_left_to_do_and_keeps_nobody_waiting() {
    let store = Rc::new(MemoryStore::default());
    let report = in_virtual_time(async {
        let stop = Duration::from_millis(1010);
        let platform = Rc::new(PanicsLate(ScriptedPlatform::obliging(1000), Instant::now() + stop));
        actors::run(settings(), platform, store.clone(), unwatched(), tokio::time::sleep(stop)).await
    });
    assert_eq!((report.status, report.campaigns.dead_lettered), (Status::Interrupted, 0));
    assert_eq!(report.restarts.sync, 8);
    assert!(report.duration < Duration::from_secs(2), "{:?}", report.duration);
}
