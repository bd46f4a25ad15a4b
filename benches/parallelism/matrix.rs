//! What is measured: every concurrency against every limit at every latency, with work enough to tell.

use std::fmt;
use std::time::Duration;

use actors::settings::RateLimit;

/// Larger than every concurrency, so that the listing, a page at a time, is not what binds.
pub(crate) const PAGE_SIZE: u32 = 100;

const CONCURRENCIES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Cells run side by side as long as all of them together ask for no more than this, in requests a second: that is a
/// few percent of a processor, so they do not disturb each other, and tight limits take most of the time.
const SIDE_BY_SIDE: f64 = 30.0;

/// One point of the matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) limit: Option<RateLimit>,
    /// Of every endpoint.
    pub(crate) latency: Duration,
    pub(crate) concurrency: usize,
    pub(crate) campaigns: u64,
}

impl Cell {
    /// Requests a second that limit and concurrency allow in the long run.
    pub(crate) fn attainable_rate(&self) -> f64 {
        let by_concurrency = self.concurrency as f64 / self.latency.as_secs_f64();
        self.limit.map_or(by_concurrency, |limit| by_concurrency.min(rate(limit)))
    }

    /// Whether it stands at this place of the matrix.
    pub(crate) fn is(&self, (limit, latency, concurrency): Place) -> bool {
        (self.limit, self.latency, self.concurrency) == (limit, latency, concurrency)
    }

    pub(crate) fn limit_name(&self) -> String {
        self.limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string())
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}ms c={}", self.limit_name(), self.latency.as_millis(), self.concurrency)
    }
}

/// Limit, latency and concurrency.
pub(crate) type Place = (Option<RateLimit>, Duration, usize);

/// The cells, and how much work each gets.
pub(crate) struct Matrix {
    pub(crate) limits: Vec<Option<RateLimit>>,
    pub(crate) latencies: Vec<Duration>,
    pub(crate) concurrencies: Vec<usize>,
    /// The cell whose course is drawn.
    pub(crate) shown: Place,
    /// Windows of work where the limit binds; the first is free.
    windows: u64,
    /// Time's worth of work where the concurrency binds.
    time: Duration,
    /// Campaigns at the most where no limit binds.
    most: u64,
}

impl Matrix {
    /// Limits scaled from the minute to the second, so that five windows are five seconds.
    pub(crate) fn by_the_second() -> Self {
        let second = Duration::from_secs(1);
        Self {
            limits: vec![limit(10, second), limit(40, second), limit(200, second), None],
            latencies: [10, 50, 200].map(Duration::from_millis).to_vec(),
            concurrencies: CONCURRENCIES.to_vec(),
            shown: (limit(40, second), Duration::from_millis(50), 16),
            windows: 6,
            time: Duration::from_millis(1500),
            most: 8000,
        }
    }

    /// As many cells as show that everything works.
    pub(crate) fn quick() -> Self {
        let quarter = Duration::from_millis(250);
        Self {
            limits: vec![limit(20, quarter), None],
            latencies: [10, 50].map(Duration::from_millis).to_vec(),
            concurrencies: vec![1, 4, 16, 64],
            shown: (limit(20, quarter), Duration::from_millis(50), 16),
            windows: 6,
            time: Duration::from_millis(600),
            most: 500,
        }
    }

    /// The limits as platforms state them.
    pub(crate) fn by_the_minute() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            limits: vec![limit(10, minute), limit(40, minute), limit(100, minute), None],
            latencies: [200, 2000, 5000].map(Duration::from_millis).to_vec(),
            concurrencies: CONCURRENCIES.to_vec(),
            shown: (limit(10, minute), Duration::from_secs(2), 16),
            windows: 11,
            time: 11 * minute,
            most: 1000,
        }
    }

    /// All of them: limit by limit, within it by concurrency, within that by latency.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &limit in &self.limits {
            for &concurrency in &self.concurrencies {
                for &latency in &self.latencies {
                    let mut cell = Cell { limit, latency, concurrency, campaigns: 0 };
                    cell.campaigns = self.campaigns(&cell);
                    cells.push(cell);
                }
            }
        }
        cells
    }

    /// Where the limit binds, whole windows of requests, listing and login included; else whole rounds of the
    /// sync actors.
    fn campaigns(&self, cell: &Cell) -> u64 {
        let attainable = cell.attainable_rate();
        match cell.limit {
            Some(limit) if attainable >= rate(limit) => {
                let requests = self.windows * limit.requests() as u64;
                let pages = (requests - 1).div_ceil(u64::from(PAGE_SIZE) + 1);
                requests - 1 - pages
            }
            _ => {
                let rounds = self.time.as_secs_f64() / cell.latency.as_secs_f64();
                let concurrency = cell.concurrency as u64;
                (rounds.ceil() as u64).min(self.most.div_ceil(concurrency)) * concurrency
            }
        }
    }

    /// The cells in their order, those together that may run side by side.
    pub(crate) fn groups(&self) -> Vec<Vec<Cell>> {
        let mut groups: Vec<Vec<Cell>> = Vec::new();
        for cell in self.cells() {
            match groups.last_mut() {
                Some(group) if together(group) + cell.attainable_rate() <= SIDE_BY_SIDE => group.push(cell),
                _ => groups.push(vec![cell]),
            }
        }
        groups
    }
}

fn together(group: &[Cell]) -> f64 {
    group.iter().map(Cell::attainable_rate).sum()
}

/// Requests a second.
pub(crate) fn rate(limit: RateLimit) -> f64 {
    limit.requests() as f64 / limit.window().as_secs_f64()
}

fn limit(requests: u32, window: Duration) -> Option<RateLimit> {
    Some(RateLimit::new(requests, window).expect("a limit of the matrix is in range"))
}
