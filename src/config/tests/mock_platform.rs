//! The settings of the mock platform.

use super::*;
use crate::config::mock_platform::MOCK_PASSWORD;

#[test]
fn the_mock_platform_is_the_reference_platform_unless_told_otherwise() {
    let config = mock("", &[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((config.campaigns, config.seed), (100, 1));
    assert_eq!(config.rate_limits, [limit(10, 60)]);
    assert_eq!(config.sync_latency, Duration::from_secs(2));
    assert_eq!((config.list_latency, config.auth_latency), (Duration::ZERO, Duration::ZERO));
    assert_eq!((config.error_rate, config.hang_rate, config.list_error_every), (0.0, 0.0, Some(5)));
    assert_eq!(config.faults, []);
    assert_eq!(config.retry_hint, RetryHint::Body);
    assert_eq!(config.rate_limit_headers, RateLimitHeaders::None);
    assert_eq!(config.token_life, Duration::from_secs(3600));
    assert_eq!(config.email, "demo@example.com");
    assert_eq!(config.password.expose_secret(), MOCK_PASSWORD);
}

#[test]
fn every_flag_of_the_mock_platform_reaches_its_setting() {
    let flags = "--listen [::1]:0 --campaigns 7 --rate-limit 10/1s --rate-limit 20/1m --sync-latency 33ms \
        --list-latency 4ms --auth-latency 5ms --error-rate 0.2 --hang-rate 0.05 --list-error-every none \
        --fault html=0.1,gzip=0.2 --fault login-hangs=0.3 --retry-hint header-date --rate-limit-headers draft --token-life 2s --seed 9 --email a@example.com";
    let config =
        mock(flags, &[("AD_PLATFORM_PASSWORD", "hunter2"), ("AD_PLATFORM_EMAIL", "b@example.com")]).unwrap();
    assert_eq!(config.listen.to_string(), "[::1]:0");
    assert_eq!((config.campaigns, config.seed), (7, 9));
    assert_eq!(config.rate_limits, [limit(10, 1), limit(20, 60)]);
    let latencies = [config.sync_latency, config.list_latency, config.auth_latency];
    assert_eq!(latencies, [33, 4, 5].map(Duration::from_millis));
    assert_eq!((config.error_rate, config.hang_rate, config.list_error_every), (0.2, 0.05, None));
    assert_eq!(config.faults, [(Fault::Html, 0.1), (Fault::Gzip, 0.2), (Fault::LoginHangs, 0.3)]);
    assert_eq!(config.retry_hint, RetryHint::HeaderDate);
    assert_eq!(config.rate_limit_headers, RateLimitHeaders::Draft);
    assert_eq!(config.token_life, Duration::from_secs(2));
    assert_eq!(config.email, "a@example.com");
    assert_eq!(config.password.expose_secret(), "hunter2");
    assert_eq!(mock("", &[("AD_PLATFORM_EMAIL", "b@example.com")]).unwrap().email, "b@example.com");
}

#[test]
fn a_mock_platform_that_cannot_be_is_refused() {
    for flags in [
        "--listen localhost",
        "--campaigns -1",
        "--error-rate 1.1",
        "--error-rate 0.6 --hang-rate 0.5",
        "--list-error-every 0",
        "--fault lightning=0.2",
        "--fault html=1.5",
        "--fault html=0.6 --fault gzip=0.6",
        "--retry-hint header",
        "--rate-limit-headers y",
        "--token-life 0s",
        "--seed x",
    ] {
        // clap takes a leading minus for a flag, except where an equals sign says otherwise.
        let flags = flags.replace(" -1", "=-1");
        assert_eq!(mock(&flags, &[]).unwrap_err().0.len(), 1, "{flags}");
    }
}
