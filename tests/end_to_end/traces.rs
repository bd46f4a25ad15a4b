//! The traces that a collector gets of the runs, and that no collector can hold up a run.

use std::collections::{BTreeMap, HashSet};
use std::net::TcpListener;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mock_platform::{EMAIL, PASSWORD, Settings};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::collector::{Collector, Manners, Seen};
use crate::running::Running;
use crate::serving::{DATABASE_PASSWORD, Folder, Serving, TOKEN};
use crate::support::{Postgres, campaign_sync, outcome, quick_platform, start};
use crate::until::until;

const CAMPAIGNS: u64 = 40;

/// With the attribute, or null.
fn of<'a>(span: &'a Seen, attribute: &str) -> &'a Value {
    span.attributes.get(attribute).unwrap_or(&Value::Null)
}

fn named<'a>(spans: &'a [Seen], name: &str) -> Vec<&'a Seen> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// By their traces.
fn traces(collector: &Collector) -> Vec<Vec<Seen>> {
    let mut traces: BTreeMap<Vec<u8>, Vec<Seen>> = BTreeMap::new();
    for span in collector.spans() {
        traces.entry(span.trace.clone()).or_default().push(span);
    }
    traces.into_values().collect()
}

#[test]
fn each_run_is_a_trace_of_its_steps_and_holds_no_secret() {
    let faulty = Settings { error_rate: 0.2, list_error_every: Some(5), ..quick_platform(CAMPAIGNS) };
    let (platform, database) = (start(faulty), Postgres::start());
    let collector = Collector::start(Manners::Takes);
    let accounts = "batch_size = 15\n[[accounts]]\nid = 'north'\n[[accounts]]\nid = 'south'\n";
    let endpoint = format!("otlp_endpoint = '{}/'\n", collector.url());
    let folder = Folder::new(&platform, &database, &(endpoint + accounts));
    // The traces do not depend on what is logged.
    let command = folder.command(&["run", "--report", "json", "--log-level", "warn"]);
    let (code, stdout, stderr) = outcome(command);
    assert_eq!(code, 0, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("a report");
    assert!(!stderr.contains("collector"), "{stderr}");

    for head in collector.heads() {
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    }
    let sender = json!(["campaign-sync", env!("CARGO_PKG_VERSION")]);
    for resource in collector.resources() {
        assert_eq!(json!([resource["service.name"], resource["service.version"]]), sender);
    }
    let basic = BASE64_STANDARD.encode(format!("{EMAIL}:{PASSWORD}"));
    for secret in [PASSWORD, TOKEN, DATABASE_PASSWORD, &basic, "mock_access_token", "Bearer", EMAIL] {
        assert!(!collector.was_told(secret), "{secret}");
    }
    assert!(!collector.was_told("impressions"), "no payload");

    let traces = traces(&collector);
    assert_eq!(traces.len(), 2);
    for account in report["accounts"].as_array().expect("a list") {
        let is_its = |trace: &&Vec<Seen>| {
            named(trace, "run").iter().any(|run| of(run, "account") == &account["account"])
        };
        assert_trace(traces.iter().find(is_its).expect("a trace"), account);
    }
}

/// The trace of this account's run.
fn assert_trace(spans: &[Seen], account: &Value) {
    let runs = named(spans, "run");
    let [run] = runs[..] else { panic!("{runs:?}") };
    assert_eq!((&run.parent[..], &run.error), (&[][..], &None), "{run:?}");
    assert_eq!((of(run, "run"), of(run, "status")), (&account["run_id"], &json!("complete")), "{run:?}");

    let steps: Vec<&Seen> =
        ["login", "list", "sync", "commit"].iter().flat_map(|name| named(spans, name)).collect();
    assert!(steps.iter().all(|step| step.parent == run.id), "{steps:?}");
    let requests = named(spans, "request");
    assert_eq!(requests.len() as u64, account["requests"]["total"].as_u64().expect("a count"));
    let mut failed = 0;
    for request in requests {
        let step = steps.iter().find(|step| step.id == request.parent).expect("it is part of a step");
        let endpoint = match step.name.as_str() {
            "login" => "auth",
            name => name,
        };
        assert_eq!(of(request, "endpoint"), endpoint, "{request:?}");
        assert!(of(request, "permit_wait_ms").is_u64(), "{request:?}");
        let expected = match of(request, "http_status").as_u64() {
            Some(200) => (&Value::Null, None),
            Some(503) => (&json!("unavailable"), Some("unavailable".to_owned())),
            other => panic!("{other:?}: {request:?}"),
        };
        failed += usize::from(expected.1.is_some());
        assert_eq!((of(request, "failure"), request.error.clone()), expected, "{request:?}");
    }
    assert!(failed > 0, "a fifth of them should");

    let syncs = named(spans, "sync");
    let campaigns: HashSet<&str> = syncs.iter().filter_map(|sync| of(sync, "campaign").as_str()).collect();
    assert_eq!((campaigns.len() as u64, syncs.len() as u64), (CAMPAIGNS, CAMPAIGNS));
    for step in syncs.iter().chain(&named(spans, "list")) {
        let attempts = spans.iter().filter(|span| span.parent == step.id).count();
        assert_eq!(
            (of(step, "account"), of(step, "outcome")),
            (&account["account"], &json!("succeeded")),
            "{step:?}"
        );
        assert_eq!((of(step, "attempts"), &step.error), (&json!(attempts), &None), "{step:?}");
    }
    let commits = named(spans, "commit");
    assert!(commits.iter().all(|commit| of(commit, "outcome") == "committed"), "{commits:?}");
    let entries: u64 = commits.iter().filter_map(|commit| of(commit, "entries").as_u64()).sum();
    assert_eq!(entries, CAMPAIGNS);
}

#[test]
fn what_fails_is_marked_as_an_error() {
    let (platform, database) = (start(quick_platform(1)), Postgres::start());
    let collector = Collector::start(Manners::Takes);
    let mut command = campaign_sync(&platform, &database, &["run", "--rate-limit", "none"]);
    command.env("AD_PLATFORM_PASSWORD", "wrong").env("CAMPAIGN_SYNC_OTLP_ENDPOINT", collector.url());
    assert_eq!(outcome(command).0, 1);
    let spans = collector.spans();
    let error = |name: &str| named(&spans, name)[0].error.clone();
    assert_eq!(
        (error("run"), error("request")),
        (Some("failed".to_owned()), Some("unauthorized".to_owned()))
    );
    assert_eq!(of(named(&spans, "request")[0], "http_status"), 401);
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("a bound socket has an address"))
}

#[test]
fn a_collector_that_takes_nothing_costs_a_run_nothing_but_a_line_or_two() {
    for manners in [Some(Manners::Refuses), Some(Manners::NeverAnswers), None] {
        let (platform, database) = (start(quick_platform(CAMPAIGNS)), Postgres::start());
        let collector = manners.map(Collector::start);
        let url = collector.as_ref().map_or_else(nobody, Collector::url);
        let arguments = ["run", "--report", "json", "--rate-limit", "none", "--otlp-endpoint", &url];
        let (code, stdout, stderr) = outcome(campaign_sync(&platform, &database, &arguments));
        let report: Value = serde_json::from_str(&stdout).expect("a report");
        assert_eq!((code, &report["status"]), (0, &json!("complete")), "{manners:?}: {stderr}");
        assert_eq!(report["accounts"][0]["problems"], json!([]), "{manners:?}");
        let lines = |words: &str| stderr.lines().filter(|line| line.contains(words)).count();
        assert_eq!(lines("the collector has not taken all of the traces"), 1, "{manners:?}: {stderr}");
        let complaints = lines("the collector does not take the traces");
        // Whether one that never answers is given up before the program has ended depends on the machine.
        assert!(
            complaints == 1 || manners == Some(Manners::NeverAnswers) && complaints == 0,
            "{manners:?}: {stderr}"
        );
        if let Some(collector) = collector {
            assert!(!collector.heads().is_empty(), "{manners:?}: it was asked");
        }
    }
}

#[test]
fn what_is_left_is_sent_after_a_signal() {
    let slow = Settings { sync_latency: Duration::from_millis(20), ..quick_platform(1000) };
    let (platform, database) = (start(slow), Postgres::start());
    database.migrate();
    let collector = Collector::start(Manners::Takes);
    let with = ["--batch-size", "10", "--concurrency", "2", "--otlp-endpoint", &collector.url()];
    let mut running = Running::start(&platform, &database, &with);
    running.stored(&database, 20);
    running.terminate();
    let (code, account) = running.outcome();
    assert_eq!(code, 130, "{account}");
    let spans = collector.spans();
    let runs = named(&spans, "run");
    assert_eq!(runs.len(), 1);
    assert_eq!((of(runs[0], "status"), of(runs[0], "run")), (&json!("interrupted"), &account["run_id"]));
    let committed =
        named(&spans, "commit").iter().filter_map(|commit| of(commit, "entries").as_u64()).sum::<u64>();
    assert_eq!(account["campaigns"]["stored"], committed);
}

#[test]
fn a_service_sends_the_trace_of_each_run_when_it_has_ended_and_the_rest_when_it_is_stopped() {
    let (platform, database) = (start(quick_platform(3)), Postgres::start());
    let collector = Collector::start(Manners::Takes);
    let accounts =
        format!("otlp_endpoint = '{}'\nschedule = '31d'\n[[accounts]]\nid = 'a'\n", collector.url());
    let folder = Folder::new(&platform, &database, &accounts);
    let mut serving = Serving::start(&folder);
    let runs = |collector: &Collector| named(&collector.spans(), "run").len();
    serving.run_now("a");
    until("the trace has come", || (runs(&collector) == 1).then_some(()));
    serving.run_now("a");
    until("it has run", || {
        (serving.json("/api/runs")["items"]
            .as_array()?
            .iter()
            .filter(|run| run["status"] == "complete")
            .count()
            == 2)
            .then_some(())
    });
    serving.signal(Signal::SIGTERM);
    assert_eq!(serving.ended(), Some(0));
    assert_eq!((runs(&collector), traces(&collector).len()), (2, 2));
}
