//! `Syncer`: what every command that syncs accounts needs: the platforms' connections, the store and the fleet that
//! their runs share, and the way from an account's configuration to its run.

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

use actors::Fleet;
use actors::model::AccountId;
use actors::progress::ProgressSender;
use actors::report::{AccountReport, Problem, ProblemClass};
use actors::settings::{BatchLimits, PipelineSettings};

use crate::config::{AccountConfig, PipelineConfig, PlatformConfig, RateLimits};
use crate::platform::{Connections, HttpPlatform, PlatformSettings, SetupError};
use crate::store::PgStore;
use crate::tls::Authorities;

/// See the module. It lives on the arbiter that it was made on.
pub struct Syncer {
    fleet: Fleet<PgStore>,
    max_in_flight: usize,
    authorities: Authorities,
    plain: OnceCell<Connections>,
    encrypted: OnceCell<Connections>,
}

impl Syncer {
    /// For accounts like these, with so many requests of all of them in flight at the most, to platforms whose certificate is
    /// of the system's authorities or of these.
    pub fn new(
        store: PgStore,
        accounts: &[AccountConfig],
        max_in_flight: usize,
        authorities: Authorities,
    ) -> Self {
        Self {
            fleet: Fleet::new(Rc::new(store), batch_limits(accounts), max_in_flight),
            max_in_flight,
            authorities,
            plain: OnceCell::new(),
            encrypted: OnceCell::new(),
        }
    }

    /// Syncs one account once. Ends early when `shutdown` is ready.
    pub async fn sync(
        &self,
        account: &AccountConfig,
        progress: ProgressSender,
        shutdown: impl Future<Output = ()> + 'static,
    ) -> AccountReport {
        let AccountConfig { platform, pipeline, .. } = account;
        match self.platform(platform) {
            Ok(client) => {
                let settings = pipeline_settings(&platform.account, platform.request_timeout, pipeline);
                self.fleet.run(settings, Rc::new(client), progress, shutdown).await
            }
            Err(error) => {
                let problem =
                    Problem { class: ProblemClass::PlatformUnavailable, message: error.to_string() };
                AccountReport::failed(platform.account.clone(), problem)
            }
        }
    }

    /// After the last run: leaves nothing running, whoever still holds the syncer.
    pub async fn end(&self) {
        self.fleet.end().await;
    }

    fn platform(&self, config: &PlatformConfig) -> Result<HttpPlatform, SetupError> {
        let with_tls = config.api_url.scheme() == "https";
        let kept = if with_tls { &self.encrypted } else { &self.plain };
        let connections = match kept.get() {
            Some(connections) => connections,
            None => {
                let connections = connections(config, self.max_in_flight, &self.authorities)?;
                kept.get_or_init(|| connections)
            }
        };
        client_on(connections, config)
    }
}

/// A client of the account's platform with a connection of its own, for one request at a time; nothing is sent.
pub fn client(config: &PlatformConfig, authorities: &Authorities) -> Result<HttpPlatform, SetupError> {
    client_on(&connections(config, 1, authorities)?, config)
}

fn connections(
    config: &PlatformConfig,
    at_once: usize,
    authorities: &Authorities,
) -> Result<Connections, SetupError> {
    match config.api_url.scheme() {
        "https" => Connections::encrypted(at_once, authorities),
        _ => Connections::plain(at_once),
    }
}

fn client_on(connections: &Connections, config: &PlatformConfig) -> Result<HttpPlatform, SetupError> {
    let settings = PlatformSettings {
        base_url: config.api_url.clone(),
        account: config.account.clone(),
        email: config.email.clone(),
        password: config.password.clone(),
        request_timeout: config.request_timeout,
    };
    HttpPlatform::new(settings, connections)
}

/// What the configuration says, in the pipeline's words.
pub fn pipeline_settings(
    account: &AccountId,
    request_timeout: Duration,
    pipeline: &PipelineConfig,
) -> PipelineSettings {
    PipelineSettings {
        account: account.clone(),
        rate_limits: pipeline.rate_limits.at_first(),
        adopt_stated_limits: pipeline.rate_limits == RateLimits::Auto,
        concurrency: pipeline.concurrency,
        page_size: pipeline.page_size,
        retry: pipeline.retry,
        retry_budget: pipeline.retry_budget,
        batch: pipeline.batch,
        request_timeout,
        max_wait: pipeline.max_wait,
        max_shrink: pipeline.max_shrink,
        fresh: pipeline.fresh,
        replay: pipeline.replay.clone(),
        seed: rand::random(),
    }
}

/// The accounts' campaigns share transactions, so the strictest of their limits hold for all.
pub(crate) fn batch_limits(accounts: &[AccountConfig]) -> BatchLimits {
    let limits = accounts.iter().map(|account| account.pipeline.batch);
    limits.reduce(BatchLimits::strictest).unwrap_or_default()
}
