//! What is said where something does not hold: what, where, and how to see it again.

use std::fmt;

/// See the module.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Of the scenario.
    pub(crate) seed: u64,
    /// As drawn.
    pub(crate) scenario: String,
    /// Which process had just ended.
    pub(crate) after: String,
    /// With its numbers.
    pub(crate) broken: Vec<String>,
    /// Runs this scenario alone.
    pub(crate) command: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} fails after {}", self.seed, self.after)?;
        for broken in &self.broken {
            writeln!(f, "  broken: {broken}")?;
        }
        writeln!(f, "  again:  {}", self.command)?;
        write!(f, "{}", self.scenario)
    }
}

/// Panics that a scenario has ordered are no news: they are counted. All others are reported as ever.
pub(crate) fn be_quiet_about_scripted_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        let ordered = ["the script says so", "the test told it to"];
        if !ordered.iter().any(|words| message.contains(words)) {
            report(panic);
        }
    }));
}
