//! `mock-platform`: the reference platform's API with its limits and faults, until it is stopped.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use mock_platform::{MockPlatform, RateLimit, Settings};
use secrecy::ExposeSecret;

use crate::config::MockPlatformConfig;
use crate::shutdown::Shutdown;

/// Says where it listens, and at the end what it saw.
pub async fn run(config: MockPlatformConfig, shutdown: Shutdown) -> anyhow::Result<ExitCode> {
    let listen = config.listen;
    let (email, token_life) = (config.email.clone(), config.token_life);
    let platform = MockPlatform::start(settings(config), listen)
        .with_context(|| format!("the mock platform cannot listen on {listen}"))?;
    // It serves whether or not somebody reads this.
    let _ = writeln!(
        io::stdout(),
        "mock platform at {} for {email}, tokens live {} s; its count is at {}/stats",
        platform.url(),
        token_life.as_secs(),
        platform.url()
    );
    shutdown.requested().await;
    let seen = platform.stop();
    let _ = writeln!(
        io::stdout(),
        "{}\n{} 429s",
        serde_json::to_string_pretty(&seen).context("the count cannot be written")?,
        seen.throttled
    );
    Ok(ExitCode::SUCCESS)
}

fn settings(config: MockPlatformConfig) -> Settings {
    let limit = |limit: &actors::settings::RateLimit| RateLimit {
        requests: u32::try_from(limit.requests()).expect("a limit is made of 32 bits"),
        window: limit.window(),
    };
    Settings {
        email: config.email,
        password: config.password.expose_secret().to_owned(),
        token_life: config.token_life,
        campaigns: config.campaigns,
        seed: config.seed,
        rate_limits: config.rate_limits.iter().map(limit).collect(),
        retry_hint: config.retry_hint,
        rate_limit_headers: config.rate_limit_headers,
        error_rate: config.error_rate,
        hang_rate: config.hang_rate,
        list_error_every: config.list_error_every,
        faults: config.faults,
        auth_latency: config.auth_latency,
        list_latency: config.list_latency,
        sync_latency: config.sync_latency,
        ..Settings::default()
    }
}
