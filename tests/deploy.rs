//! What an operator takes from `deploy/`: it is about metrics that exist, and it works.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use actors::metrics::{Kind, Metric};
use actors::testing::{MemoryStore, ScriptedPlatform, in_virtual_time, limit, run_to_end, settings};
use campaign_sync::metrics::{Metrics, table};
use serde_json::{Value, json};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(deploy().join(file)).unwrap()
}

/// What `/metrics` says after a run.
fn rendered() -> String {
    let metrics = Metrics::new().unwrap();
    metrics.follow(["test".into()]);
    let mut settings = settings();
    settings.rate_limits = vec![limit(10, Duration::from_secs(60))];
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(20)), Rc::new(MemoryStore::default()));
    metrics.record(|| in_virtual_time(run_to_end(settings, &platform, &store)));
    metrics.render()
}

/// The series' names in a text that has the values of metrics, or asks for them.
fn metric_names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("campaign_sync_") || word.starts_with("process_")).collect()
}

fn promtool(arguments: &[&str], input: &str) -> String {
    let stdin = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut &stdin, input.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut &stdin).unwrap();
    let run = Command::new("promtool").args(arguments).current_dir(deploy()).stdin(stdin).output();
    let output = run.unwrap_or_else(|error| {
        panic!(
            "promtool cannot be started ({error}): ./setup --tests installs it, from the package prometheus"
        )
    });
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success(), "promtool {}: {said}", arguments.join(" "));
    said
}

#[test]
fn every_alert_fires_when_it_should_and_not_otherwise() {
    promtool(&["check", "rules", "prometheus/alerts.yml"], "");
    promtool(&["test", "rules", "prometheus/alerts.test.yml"], "");
}

#[test]
fn prometheus_takes_what_is_rendered_and_finds_nothing_to_complain_of() {
    assert_eq!(promtool(&["check", "metrics"], &rendered()).trim(), "");
}

#[test]
fn every_alert_is_tested_and_has_its_paragraph_in_the_runbook() {
    let (rules, tests, runbook) =
        (read("prometheus/alerts.yml"), read("prometheus/alerts.test.yml"), read("RUNBOOK.md"));
    let after = |key: &str| -> Vec<String> {
        let values = rules.lines().filter_map(|line| line.trim().strip_prefix(key));
        values.map(|value| value.trim().trim_matches('"').to_owned()).collect()
    };
    let (alerts, paragraphs) = (after("- alert:"), after("runbook:"));
    assert_eq!((alerts.len(), paragraphs.len()), (10, 10));
    for alert in alerts {
        let mentions =
            tests.split("alertname: ").filter(|text| text.lines().next() == Some(&alert)).collect::<Vec<_>>();
        let fires = mentions.iter().any(|mention| mention.contains("exp_alerts"));
        assert!(fires, "{alert} has no test in which it fires");
    }
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let anchors: BTreeSet<String> =
        headings.map(|heading| format!("RUNBOOK.md#{}", heading.to_lowercase().replace(' ', "-"))).collect();
    let named: BTreeSet<String> = paragraphs.into_iter().collect();
    assert_eq!(named, anchors, "each paragraph of the runbook belongs to an alert");
    for link in runbook.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(anchors.contains(&format!("RUNBOOK.md#{link}")), "#{link} leads nowhere");
    }
}

/// What the dashboard's panels ask for.
fn dashboard_queries(dashboard: &Value) -> Vec<String> {
    let (mut queries, mut ids) = (vec![], BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{} has an id that is taken", panel["title"]);
        let asked = panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert_eq!(asked.is_empty(), panel["type"] == "row", "{}", panel["title"]);
        queries.extend(asked.iter().map(|target| target["expr"].as_str().unwrap().to_owned()));
    }
    queries
}

fn dashboard() -> Value {
    serde_json::from_str(&read("grafana/campaign-sync.json")).unwrap()
}

#[test]
fn prometheus_understands_what_the_dashboard_asks_for() {
    let rule = |query: &String| json!({"record": "a:panel", "expr": query.replace("$__rate_interval", "5m")});
    let rules: Vec<Value> = dashboard_queries(&dashboard()).iter().map(rule).collect();
    // JSON is YAML.
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    promtool(&["check", "rules", "--lint=none", file.path().to_str().unwrap()], "");
}

#[test]
fn whatever_the_alerts_and_the_dashboard_ask_for_is_rendered() {
    let dashboard = dashboard();
    let mut queries = dashboard_queries(&dashboard);
    queries.push(read("prometheus/alerts.yml"));
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    queries
        .extend(variables.iter().filter_map(|variable| variable["definition"].as_str()).map(str::to_owned));
    let rendered = rendered();
    let series = rendered
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap());
    let series: BTreeSet<&str> = series.collect();
    for query in &queries {
        let names = metric_names(query);
        assert!(!names.is_empty(), "{query} asks for nothing");
        let unknown: Vec<_> = names.difference(&series).collect();
        assert!(unknown.is_empty(), "{unknown:?} in {query}");
    }
    let asked: BTreeSet<&str> = queries.iter().flat_map(|query| metric_names(query)).collect();
    for Metric { name, .. } in table() {
        assert!(asked.iter().any(|asked| asked.starts_with(name)), "nobody looks at {name}");
    }
}

#[test]
fn the_table_of_metrics_is_the_programs_own() {
    let row = |metric: Metric| {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {kind} | {} | {} |\n", metric.name, labels.join(", "), metric.help)
    };
    let wanted: String = table().map(row).collect();
    let readme = read("README.md");
    let shown = readme.split_once("|---|---|---|---|\n").map(|(_, rest)| rest.split("\n\n").next().unwrap());
    let shown = shown.unwrap_or_default();
    assert!(shown.trim_end() == wanted.trim_end(), "the table in deploy/README.md is to be:\n{wanted}");
}
