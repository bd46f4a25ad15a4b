//! A recorder before the exporter's, which knows whose handles are still held. The exporter forgets a series that has not
//! moved for a while; one that somebody holds is to stay, however seldom it moves: so it is touched before it is shown.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ::metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::PrometheusRecorder;

pub(super) struct HeldRecorder {
    exporter: PrometheusRecorder,
    handles: Mutex<Vec<Handle>>,
}

struct HeldCounter(Counter);
struct HeldGauge(Gauge);

enum Handle {
    Counter(Weak<HeldCounter>),
    Gauge(Weak<HeldGauge>),
}

impl HeldRecorder {
    pub(super) fn new(exporter: PrometheusRecorder) -> Self {
        Self { exporter, handles: Mutex::default() }
    }

    /// Makes what is held as good as new, and forgets what is not.
    pub(super) fn touch_held(&self) {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).retain(Handle::touch);
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn remember(&self, handle: Handle) {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        // Before it grows, also where nobody ever looks: so it is never more than twice what is held.
        if handles.len() == handles.capacity() {
            handles.retain(Handle::is_held);
        }
        handles.push(handle);
    }
}

impl Handle {
    fn is_held(&self) -> bool {
        match self {
            Handle::Counter(counter) => counter.strong_count() > 0,
            Handle::Gauge(gauge) => gauge.strong_count() > 0,
        }
    }

    fn touch(&self) -> bool {
        match self {
            Handle::Counter(counter) => counter.upgrade().map(|counter| counter.0.increment(0)).is_some(),
            Handle::Gauge(gauge) => gauge.upgrade().map(|gauge| gauge.0.increment(0.0)).is_some(),
        }
    }
}

impl Recorder for HeldRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.exporter.describe_counter(name, unit, description);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.exporter.describe_gauge(name, unit, description);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.exporter.describe_histogram(name, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        let counter = Arc::new(HeldCounter(self.exporter.register_counter(key, metadata)));
        self.remember(Handle::Counter(Arc::downgrade(&counter)));
        Counter::from_arc(counter)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        let gauge = Arc::new(HeldGauge(self.exporter.register_gauge(key, metadata)));
        self.remember(Handle::Gauge(Arc::downgrade(&gauge)));
        Gauge::from_arc(gauge)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.exporter.register_histogram(key, metadata)
    }
}

impl CounterFn for HeldCounter {
    fn increment(&self, value: u64) {
        self.0.increment(value);
    }

    fn absolute(&self, value: u64) {
        self.0.absolute(value);
    }
}

impl GaugeFn for HeldGauge {
    fn increment(&self, value: f64) {
        self.0.increment(value);
    }

    fn decrement(&self, value: f64) {
        self.0.decrement(value);
    }

    fn set(&self, value: f64) {
        self.0.set(value);
    }
}

impl fmt::Debug for HeldRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldRecorder").finish_non_exhaustive()
    }
}
