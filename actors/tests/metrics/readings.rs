//! What a recorder has heard, read by name and labels.

use std::collections::BTreeMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

/// The series by name and labels, as Prometheus writes them.
#[derive(Debug, Default)]
pub(crate) struct Readings(BTreeMap<String, Vec<f64>>);

/// Does this under a recorder of its own. What it is given reads so far; reading counts from zero again.
pub(crate) fn recorded<T>(work: impl FnOnce(Reader) -> T) -> (T, Readings) {
    let recorder = DebuggingRecorder::new();
    let reader = Reader(recorder.snapshotter());
    let done = metrics::with_local_recorder(&recorder, || work(reader.clone()));
    (done, reader.read())
}

#[derive(Clone)]
pub(crate) struct Reader(Snapshotter);

impl Reader {
    pub(crate) fn read(&self) -> Readings {
        let series = self.0.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
            let labels: Vec<String> =
                key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let values = match value {
                DebugValue::Counter(count) => vec![count as f64],
                DebugValue::Gauge(value) => vec![value.into_inner()],
                DebugValue::Histogram(values) => values.into_iter().map(|value| value.into_inner()).collect(),
            };
            (format!("{}{{{}}}", key.key().name(), labels.join(",")), values)
        });
        Readings(series.collect())
    }
}

impl Readings {
    /// The value of a counter or a gauge, for example `breaker_open{account=test}`.
    #[track_caller]
    pub(crate) fn value(&self, series: &str) -> f64 {
        match self.values(series)[..] {
            [value] => value,
            ref values => panic!("{series} has {} values", values.len()),
        }
    }

    /// The values of a histogram.
    #[track_caller]
    pub(crate) fn values(&self, series: &str) -> &[f64] {
        match self.0.get(&format!("campaign_sync_{series}")) {
            Some(values) => values,
            None => panic!("there is no {series} among {:#?}", self.names()),
        }
    }

    pub(crate) fn has(&self, series: &str) -> bool {
        self.0.contains_key(&format!("campaign_sync_{series}"))
    }

    /// The sum of all series that begin and end like this.
    pub(crate) fn sum(&self, begin: &str, end: &str) -> f64 {
        let begin = format!("campaign_sync_{begin}");
        let matches = |name: &str| name.starts_with(&begin) && name.ends_with(end);
        self.0.iter().filter(|(name, _)| matches(name)).flat_map(|(_, values)| values).sum()
    }

    /// All series, by name and labels.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}
