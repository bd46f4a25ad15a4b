#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroU32;
use std::rc::Rc;

use actors::metrics::LIMIT_USED;
use actors::progress::Progress;
use actors::settings::Concurrency;
use actors::testing::{
    MemoryStore, ScriptedPlatform, in_virtual_time, limit, run_to_end, settings, unwatched,
};
use tokio::sync::watch;

use super::*;

/// What an account has at the most: its own, and two limits.
const MOST_SERIES: usize = 60_000;
/// Of one answer to Prometheus, uncompressed.
const LONGEST_TEXT: usize = 8 << 20;

fn series(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn value(text: &str, name: &str) -> f64 {
    let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '));
    let line = series(text).find(of_name).unwrap_or_else(|| panic!("no {name} in {text}"));
    line[name.len()..].trim().parse().unwrap()
}

fn account(name: &str) -> AccountId {
    name.into()
}

fn run_once(metrics: &Metrics) {
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(20)), Rc::new(MemoryStore::default()));
    let mut settings = settings();
    settings.rate_limits = vec![limit(10, Duration::from_secs(60))];
    metrics.record(|| in_virtual_time(run_to_end(settings, &platform, &store)));
}

#[test]
fn a_thousand_accounts_stay_below_the_bounds_that_the_documentation_names() {
    let metrics = Metrics::new().unwrap();
    let accounts: Vec<AccountId> =
        (0..1000).map(|n| account(&format!("an-account-of-a-customer-{n:04}"))).collect();
    metrics.follow(accounts.clone());
    let limits = accounts.iter().flat_map(|account| {
        ["10/60s", "1000/1d"].map(|limit| LIMIT_USED.gauge([account.to_string().into(), limit.into()]))
    });
    let _held: Vec<_> = metrics.record(|| limits.collect());
    run_once(&metrics);
    let text = metrics.render();
    let count = series(&text).count();
    assert!((50_000..MOST_SERIES).contains(&count), "{count} series");
    assert!(text.len() < LONGEST_TEXT, "{} bytes", text.len());
    // The documentation's own words.
    let readme = include_str!("../../deploy/README.md");
    assert!(readme.contains("below 60,000 series and 8 MiB"), "deploy/README.md says something else");
}

#[test]
fn what_is_not_followed_any_more_goes_and_what_is_stays_although_it_does_not_move() {
    let metrics = Metrics::forgetting_after(Duration::from_millis(1)).unwrap();
    metrics.follow([account("north"), account("south")]);
    metrics.account(&account("north")).unwrap().last_completed(std::time::SystemTime::now());
    metrics.account(&account("south")).unwrap().holds_dead_letters(3);
    assert!(metrics.render().contains("account=\"north\""));
    metrics.follow([account("south")]);
    assert!(metrics.account(&account("north")).is_none());
    // Until it has been idle for long enough.
    while metrics.render().contains("account=\"north\"") {}
    let text = metrics.render();
    assert_eq!(value(&text, "campaign_sync_dead_letters{account=\"south\"}"), 3.0);
    assert!(value(&text, "campaign_sync_followed_since_timestamp_seconds{account=\"south\"}") > 1e9);
    assert_eq!(text.matches("account=\"south\"").count(), 49);
    // One that comes back begins anew.
    metrics.follow([account("north"), account("south")]);
    let text = metrics.render();
    assert_eq!(value(&text, "campaign_sync_last_complete_timestamp_seconds{account=\"north\"}"), 0.0);
    assert_eq!(value(&text, "campaign_sync_dead_letters{account=\"south\"}"), 3.0);
}

#[test]
fn a_run_keeps_its_accounts_series_also_where_nobody_follows_it() {
    let metrics = Metrics::forgetting_after(Duration::from_millis(1)).unwrap();
    metrics.follow([account("sentinel")]);
    let of_a_run = metrics.record(|| AccountMetrics::new(&account("north")));
    let sentinel = || {
        // Longer than anything that is idle is kept.
        metrics.follow([]);
        while metrics.render().contains("sentinel") {}
    };
    sentinel();
    of_a_run.holds_dead_letters(1);
    assert_eq!(value(&metrics.render(), "campaign_sync_dead_letters{account=\"north\"}"), 1.0);
    drop(of_a_run);
    while metrics.render().contains("north") {}
}

#[test]
fn counters_that_count_for_all_are_there_from_the_begin_and_stay() {
    let metrics = Metrics::forgetting_after(Duration::from_millis(1)).unwrap();
    metrics.follow([account("sentinel")]);
    assert!(metrics.render().contains("sentinel"));
    metrics.follow([]);
    while metrics.render().contains("sentinel") {}
    let text = metrics.render();
    assert_eq!(value(&text, "campaign_sync_restarts_total{actor=\"store\"}"), 0.0);
    assert_eq!(value(&text, "campaign_sync_retries_total{class=\"timeout\"}"), 0.0);
    assert_eq!(value(&text, "campaign_sync_pool_waiting"), 0.0);
}

#[test]
fn every_metric_of_the_table_is_shown_after_a_run_with_its_help_and_its_kind() {
    let metrics = Metrics::new().unwrap();
    run_once(&metrics);
    let text = metrics.render();
    for Metric { name, kind, help, .. } in table() {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        assert!(text.contains(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")), "{name} in {text}");
    }
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for name in names.map(|line| line.split_once(' ').unwrap().0) {
        assert!(table().any(|metric| metric.name == name), "{name} is not in the table");
    }
}

#[test]
fn histograms_are_shown_in_the_buckets_of_the_table() {
    let metrics = Metrics::new().unwrap();
    run_once(&metrics);
    let text = metrics.render();
    for metric in table() {
        let Kind::Histogram(buckets) = metric.kind else { continue };
        let of_metric = format!("{}_bucket{{", metric.name);
        let shown = series(&text).filter(|line| line.starts_with(&of_metric));
        let bounds: std::collections::HashSet<&str> =
            shown.map(|line| line.split("le=\"").nth(1).unwrap().split('"').next().unwrap()).collect();
        assert_eq!(bounds.len(), buckets.len() + 1, "{}: {bounds:?}", metric.name);
    }
}

#[test]
fn the_process_shows_itself() {
    let text = Metrics::new().unwrap().render();
    assert_eq!(
        value(&text, &format!("campaign_sync_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))),
        1.0
    );
    let started = value(&text, "process_start_time_seconds");
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert!((0.0..3600.0).contains(&(now.as_secs_f64() - started)), "{started}");
    if cfg!(target_os = "linux") {
        assert!(value(&text, "process_resident_memory_bytes") > 1e6);
        assert!(value(&text, "process_open_fds") >= 3.0);
    }
}

#[test]
fn handles_that_nobody_holds_leave_nothing_behind_although_nobody_looks() {
    let metrics = Metrics::new().unwrap();
    metrics.follow([account("north")]);
    for _ in 0..10_000 {
        metrics.record(|| drop(LIMIT_USED.gauge(["north".into(), "10/60s".into()])));
    }
    assert!(metrics.recorder.remembered() < 1_000, "{}", metrics.recorder.remembered());
}

#[test]
fn a_run_is_planned_as_soon_as_the_platform_says_how_much_there_is() {
    let metrics = Metrics::new().unwrap();
    metrics.follow([account("north")]);
    let north = metrics.account(&account("north")).unwrap();
    let planned =
        || value(&metrics.render(), "campaign_sync_run_planned_end_timestamp_seconds{account=\"north\"}");
    let mut settings = settings();
    settings.rate_limits = vec![limit(10, Duration::from_secs(60))];
    settings.concurrency = Concurrency::new(16).unwrap();
    settings.page_size = NonZeroU32::new(10).unwrap();
    in_virtual_time(async {
        let (sender, watched) = watch::channel(Progress::default());
        let plan = actix_rt::spawn(plan_end(watched, settings.clone(), north.clone()));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(planned(), 0.0);
        sender.send_modify(|progress| progress.reported_total = Some(100));
        plan.await.unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let minutes = (planned() - now.as_secs_f64()) / 60.0;
        assert!((10.0..25.0).contains(&minutes), "157 requests at ten a minute: {minutes} min");
        // A run that ends before it knows leaves no plan and no task.
        let plan = actix_rt::spawn(plan_end(unwatched().subscribe(), settings, north));
        plan.await.unwrap();
    });
}

#[test]
fn only_one_can_be_installed_and_it_counts_for_all_threads() {
    let metrics = Metrics::new().unwrap();
    metrics.install().unwrap();
    let counting = || drop(AccountMetrics::new(&account("of-another-thread")));
    std::thread::spawn(counting).join().unwrap();
    assert!(metrics.render().contains("of-another-thread"));
    assert!(matches!(Metrics::new().unwrap().install(), Err(MetricsError::Installed)));
}
