//! The table says what is there.

use std::collections::HashSet;
use std::rc::Rc;

use actors::metrics::{ALL, AccountMetrics, Kind, Metric, SharedMetrics, Unit};
use actors::permit::Endpoint;
use actors::testing::{MemoryStore, Play, ScriptedPlatform, in_virtual_time, limit, run_to_end, settings};

use crate::readings::recorded;

#[test]
fn a_run_feeds_all_metrics_of_the_table_and_no_others_under_the_tables_labels() {
    let ((), readings) = recorded(|_| {
        let _held = (AccountMetrics::new(&"test".into()), SharedMetrics::new());
        let mut settings = settings();
        settings.rate_limits = vec![limit(1000, std::time::Duration::from_secs(60))];
        let platform = Rc::new(ScriptedPlatform::obliging(20).playing(|call| match call.endpoint {
            Endpoint::Sync if call.number == 0 => Play::Unavailable,
            _ => Play::Well,
        }));
        in_virtual_time(run_to_end(settings, &platform, &Rc::new(MemoryStore::default())));
    });
    let mut fed = HashSet::new();
    for series in readings.names() {
        let (name, labels) = series.split_once('{').expect("a name and labels");
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let labels: Vec<&str> = labels.map(|label| label.split_once('=').expect("a value").0).collect();
        let metric = ALL.iter().find(|metric| metric.name == name);
        assert_eq!(metric.map(|metric| metric.labels), Some(&labels[..]), "{series}");
        fed.insert(name);
    }
    let unfed: Vec<&str> = ALL.iter().map(|metric| metric.name).filter(|name| !fed.contains(name)).collect();
    assert!(unfed.is_empty(), "{unfed:?}");
}

#[test]
fn names_follow_the_rules_of_prometheus() {
    let mut names = HashSet::new();
    for Metric { name, kind, unit, help, .. } in &ALL {
        assert!(names.insert(name), "{name} is there twice");
        assert!(name.starts_with("campaign_sync_") && help.ends_with('.'), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
        assert_eq!(*unit == Unit::Seconds, name.ends_with("_seconds"), "{name}");
        if let Kind::Histogram(buckets) = kind {
            assert!(buckets.is_sorted() && !buckets.is_empty(), "{name}");
        }
    }
}

#[test]
fn a_series_with_an_account_is_never_a_histogram() {
    let by_account = |metric: &&Metric| metric.labels.contains(&"account");
    let heavy = ALL.iter().filter(by_account).find(|metric| matches!(metric.kind, Kind::Histogram(_)));
    assert!(heavy.is_none(), "{heavy:?}: a thousand accounts have a thousand times its buckets");
}
