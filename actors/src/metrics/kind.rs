//! One metric of the table: what it is called, and what it says.

use ::metrics::{
    Counter, Gauge, Histogram, Label, SharedString, Unit, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram,
};

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// As Prometheus stores it, unit included.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// Of its values.
    pub unit: Unit,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, for `# HELP` and for the operator's table.
    pub help: &'static str,
}

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only up.
    Counter,
    /// Up and down.
    Gauge,
    /// Many values, by the upper bounds of these buckets.
    Histogram(&'static [f64]),
}

/// A row of a counter.
pub const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit: Unit::Count, labels, help }
}

/// A row of a gauge.
pub const fn gauge(
    name: &'static str,
    unit: Unit,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, labels, help }
}

/// A row of a histogram.
pub const fn histogram(
    name: &'static str,
    unit: Unit,
    labels: &'static [&'static str],
    buckets: &'static [f64],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Histogram(buckets), unit, labels, help }
}

impl Metric {
    /// Tells the recorder what it is about.
    pub fn describe(&self) {
        match self.kind {
            Kind::Counter => describe_counter!(self.name, self.unit, self.help),
            Kind::Gauge => describe_gauge!(self.name, self.unit, self.help),
            Kind::Histogram(_) => describe_histogram!(self.name, self.unit, self.help),
        }
    }

    /// The counter of these label values, in the order of [`Self::labels`].
    pub fn counter<const N: usize>(&self, values: [SharedString; N]) -> Counter {
        counter!(self.name, self.labelled(values))
    }

    /// The gauge of these label values, in the order of [`Self::labels`].
    pub fn gauge<const N: usize>(&self, values: [SharedString; N]) -> Gauge {
        gauge!(self.name, self.labelled(values))
    }

    /// The histogram of these label values, in the order of [`Self::labels`].
    pub fn histogram<const N: usize>(&self, values: [SharedString; N]) -> Histogram {
        histogram!(self.name, self.labelled(values))
    }

    fn labelled<const N: usize>(&self, values: [SharedString; N]) -> Vec<Label> {
        debug_assert_eq!(self.labels.len(), N, "{}", self.name);
        self.labels.iter().zip(values).map(|(name, value)| Label::new(*name, value)).collect()
    }
}
