//! The settings of a plan.

use super::*;

fn plan(flags: &str, variables: &[(&str, &str)]) -> Result<PlanConfig, InvalidConfig> {
    let Command::Plan(args) = command(&format!("plan {flags}")) else { panic!() };
    PlanConfig::load(&args, &environment(variables, ""))
}

#[test]
fn a_plan_assumes_what_the_estimator_does_unless_told_otherwise() {
    let config = plan("", &REQUIRED).unwrap();
    assert_eq!(config.latency, crate::estimate::ASSUMED_LATENCY);
    assert_eq!(config.failure_rate.to_bits(), crate::estimate::ASSUMED_FAILURE_RATE.to_bits());
    assert_eq!((config.every, config.account.as_str()), (None, "default"));
    assert!(config.database.url.is_none());
    let Campaigns::AsListedBy(platform) = config.campaigns else { panic!() };
    assert_eq!(platform.email, "ann@example.com");
    let flags =
        "--latency 3s --failure-rate 0.5 --every 30m --account acme --request-timeout 4s --page-size 7";
    let config = plan(flags, &REQUIRED).unwrap();
    assert_eq!((config.latency, config.every), (Duration::from_secs(3), Some(Duration::from_secs(1800))));
    assert_eq!((config.account.as_str(), config.request_timeout), ("acme", Duration::from_secs(4)));
    assert_eq!((config.failure_rate.to_bits(), config.pipeline.page_size.get()), (0.5f64.to_bits(), 7));
}

#[test]
fn a_plan_for_a_number_of_campaigns_needs_no_login_but_none_that_is_wrong() {
    let config = plan("--campaigns 5 --account acme", &[]).unwrap();
    assert!(matches!(config.campaigns, Campaigns::Given(5)));
    assert_eq!(config.account.as_str(), "acme");
    assert_eq!(plan("", &[]).unwrap_err().0.len(), 3);
    let wrong = [("AD_PLATFORM_API_URL", "nonsense"), ("AD_PLATFORM_EMAIL", "a:b")];
    assert_eq!(plan("--campaigns 5 --account=", &wrong).unwrap_err().0.len(), 3);
    assert_eq!(plan("--campaigns x --every 0s --latency 1 --failure-rate 2", &[]).unwrap_err().0.len(), 4);
}
