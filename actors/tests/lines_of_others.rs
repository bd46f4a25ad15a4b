//! In which span the lines of libraries stand. Alone in its process: what any subscriber asks for is asked for.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use actors::permit::Endpoint;
use actors::testing::{MemoryStore, Play, ScriptedPlatform, in_virtual_time, run_to_end, settings};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber, debug};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// The names of their spans.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Option<&'static str>>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() == "others" {
            let span = context.event_span(event).map(|span| span.name());
            self.0.lock().expect("nobody panics with it").push(span);
        }
    }
}

#[test]
fn where_only_others_ask_for_debug_what_they_say_of_a_sync_is_said_in_its_run() {
    let lines = Lines::default();
    let asked_for = filter_fn(|of| of.target() == "others" || *of.level() == Level::ERROR);
    let filter = asked_for.with_max_level_hint(LevelFilter::DEBUG);
    let subscriber = Registry::default().with(lines.clone().with_filter(filter));
    let _guard = tracing::subscriber::set_default(subscriber);
    let platform = ScriptedPlatform::obliging(1).playing(|call| {
        if call.endpoint == Endpoint::Sync {
            debug!(target: "others", "a request is made");
        }
        Play::Well
    });
    in_virtual_time(run_to_end(settings(), &Rc::new(platform), &Rc::new(MemoryStore::default())));
    assert_eq!(*lines.0.lock().expect("nobody panics with it"), [Some("run")]);
}
