//! What the log and the traces know of a run: the spans of its steps, in virtual time.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::Fleet;
use actors::permit::Endpoint;
use actors::ports::Store;
use actors::report::Status;
use actors::settings::PipelineSettings;
use actors::testing::{
    MemoryStore, MemoryStores, Play, ScriptedPlatform, in_virtual_time, limit, run_to_end, settings,
    unwatched,
};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// A span that was made, and its fields by now.
#[derive(Clone, Debug)]
struct Seen {
    name: &'static str,
    id: Id,
    /// Its place among all.
    parent: Option<usize>,
    fields: BTreeMap<&'static str, String>,
}

impl Seen {
    fn of(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    fn number(&self, field: &str) -> u64 {
        self.of(field).parse().expect("a number")
    }
}

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Seen>>>);

impl Recorder {
    /// Records what the thread does as long as the guard lives.
    fn start(level: LevelFilter) -> (Self, DefaultGuard) {
        let recorder = Self::default();
        let subscriber = Registry::default().with(recorder.clone().with_filter(level));
        (recorder, tracing::subscriber::set_default(subscriber))
    }

    fn seen(&self) -> Vec<Seen> {
        self.0.lock().expect("nobody panics with it").clone()
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let parent = context.span(id).and_then(|span| Some(span.parent()?.id()));
        let mut all = self.0.lock().expect("nobody panics with it");
        let parent = parent.and_then(|parent| all.iter().rposition(|seen| seen.id == parent));
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        all.push(Seen { name: attributes.metadata().name(), id: id.clone(), parent, fields: fields.0 });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        let mut all = self.0.lock().expect("nobody panics with it");
        // An id is used again when its span is gone.
        let seen = all.iter_mut().rfind(|seen| seen.id == *id).expect("it was made");
        seen.fields.extend(fields.0);
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

fn named<'a>(seen: &'a [Seen], name: &str) -> Vec<&'a Seen> {
    seen.iter().filter(|span| span.name == name).collect()
}

#[test]
fn a_request_is_part_of_its_step_and_tells_how_long_it_waited_for_its_permit() {
    let (recorder, _guard) = Recorder::start(LevelFilter::DEBUG);
    let settings = PipelineSettings { rate_limits: vec![limit(1, Duration::from_secs(10))], ..settings() };
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(3)), Rc::new(MemoryStore::default()));
    let report = in_virtual_time(run_to_end(settings, &platform, &store));
    assert_eq!(report.status, Status::Complete);
    let seen = recorder.seen();
    let steps = named(&seen, "request").into_iter().map(|request| {
        let step = &seen[request.parent.expect("a step")];
        assert_eq!(seen[step.parent.expect("a run")].name, "run");
        (step.name, request.of("endpoint"), (request.number("permit_wait_ms") as f64 / 10_000.0).round())
    });
    // One permit in ten seconds: the login has the first, the page the next, and the syncs wait together.
    let expected = [
        ("login", "auth", 0.0),
        ("list", "list", 1.0),
        ("sync", "sync", 1.0),
        ("sync", "sync", 2.0),
        ("sync", "sync", 3.0),
    ];
    assert_eq!(steps.collect::<Vec<_>>(), expected);
    let run = named(&seen, "run")[0];
    let id = report.run_id.expect("it has begun").to_string();
    assert_eq!((run.of("account"), run.of("run"), run.of("status")), ("test", id.as_str(), "complete"));
}

#[test]
fn a_step_tells_its_attempts_and_why_it_was_given_up() {
    let (recorder, _guard) = Recorder::start(LevelFilter::DEBUG);
    let platform = ScriptedPlatform::obliging(2).playing(|call| match (call.endpoint, call.subject) {
        (Endpoint::Sync, 1) => Play::Unavailable,
        _ => Play::Well,
    });
    let platform = Rc::new(platform);
    let store = Rc::new(MemoryStore::default());
    in_virtual_time(run_to_end(settings(), &platform, &store));
    let seen = recorder.seen();
    let mut syncs: Vec<_> = named(&seen, "sync")
        .into_iter()
        .map(|sync| [sync.of("outcome"), sync.of("attempts"), sync.of("failure"), sync.of("account")])
        .collect();
    syncs.sort();
    assert_eq!(syncs, [["given_up", "8", "unavailable", "test"], ["succeeded", "1", "", "test"]]);
    let failed = named(&seen, "request").into_iter().filter(|request| request.of("failure") == "unavailable");
    assert_eq!(failed.count(), 8);
}

#[test]
fn each_run_has_its_part_of_a_shared_transaction_in_its_own_trace() {
    let (recorder, _guard) = Recorder::start(LevelFilter::DEBUG);
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::default());
        let fleet = Fleet::new(stores.clone(), settings().batch, usize::MAX);
        let run = |account: &str| {
            let settings = PipelineSettings { account: account.into(), ..settings() };
            let platform = Rc::new(ScriptedPlatform::obliging(200));
            fleet.run(settings, platform, unwatched(), std::future::pending())
        };
        let take = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            stores.of("lost").borrow_account(&"lost".into()).await.expect("it is in memory");
        };
        tokio::join!(run("lost"), run("kept"), take);
        fleet.end().await;
    });
    let seen = recorder.seen();
    let part = |account: &str, outcome: &str| -> (u64, usize) {
        let commits = named(&seen, "commit").into_iter();
        let its = commits.filter(|commit| commit.of("account") == account && commit.of("outcome") == outcome);
        let its: Vec<_> = its.collect();
        let of_its_run = |commit: &&Seen| seen[commit.parent.expect("a run")].of("account") == account;
        assert!(its.iter().all(of_its_run), "{its:?}");
        (its.iter().map(|commit| commit.number("entries")).sum(), its.len())
    };
    assert_eq!(part("kept", "committed").0, 200);
    assert_eq!(part("kept", "failed").1, 0);
    let stored = part("lost", "committed").0;
    assert!(0 < stored && stored < 200, "{stored}");
    assert_eq!(part("lost", "failed").1, 1);
    let failed = named(&seen, "commit").into_iter().find(|commit| commit.of("outcome") == "failed");
    assert_eq!(failed.map(|commit| commit.of("failure")), Some("disowned"));
}

#[test]
fn the_spans_of_runs_logins_and_pages_are_made_at_every_level_and_no_others() {
    let (recorder, _guard) = Recorder::start(LevelFilter::ERROR);
    let (platform, store) = (Rc::new(ScriptedPlatform::obliging(2)), Rc::new(MemoryStore::default()));
    in_virtual_time(run_to_end(settings(), &platform, &store));
    let seen = recorder.seen();
    let mut names: Vec<&str> = seen.iter().map(|span| span.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["list", "login", "run"]);
}
