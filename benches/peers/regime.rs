//! What is asked of everybody, and which of them are asked.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

use crate::contender::Contender;

/// So much work for each contender, from nothing to its last committed row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) campaigns: u64,
    /// Of the platform, and known to everybody: so many requests in so many seconds.
    pub(crate) limit: Option<(u32, u64)>,
    /// Of a sync. Logins and pages come at once.
    pub(crate) latency: Duration,
    /// The share of the requests that are answered 503.
    pub(crate) error_rate: f64,
    pub(crate) concurrency: usize,
    pub(crate) page_size: u64,
}

impl Work {
    pub(crate) fn limit_text(&self) -> String {
        self.limit.map_or_else(|| "none".to_owned(), |(requests, seconds)| format!("{requests}/{seconds}s"))
    }
}

/// What binds, in the order in which they are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Regime {
    /// How it starts: there is nothing to do.
    Start,
    /// The platform's limit.
    Limit,
    /// The platform's latency.
    Latency,
    /// The contender itself.
    Throughput,
    /// How campaign-sync's cost grows with the campaigns.
    Growth,
    /// PostgreSQL: a million rows that are there, without a platform.
    Store,
}

impl fmt::Display for Regime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Regime::Limit => "limit-bound",
            Regime::Latency => "latency-bound",
            Regime::Throughput => "throughput-bound",
            Regime::Start => "start-up",
            Regime::Growth => "growth",
            Regime::Store => "store-bound",
        })
    }
}

impl Regime {
    /// None where there is no platform; several where they are one after the other. A part of the campaigns is for trying it
    /// out.
    pub(crate) fn works(self, part: f64) -> Vec<Work> {
        let idle = Work {
            campaigns: 0,
            limit: None,
            latency: Duration::ZERO,
            error_rate: 0.0,
            concurrency: 16,
            page_size: 100,
        };
        let of = |campaigns: u64| ((campaigns as f64 * part) as u64).max(1);
        match self {
            Regime::Limit => vec![Work {
                campaigns: of(100),
                limit: Some((10, 1)),
                latency: Duration::from_millis(33),
                error_rate: 0.2,
                ..idle
            }],
            Regime::Latency => vec![Work {
                campaigns: of(2_000),
                latency: Duration::from_millis(200),
                concurrency: 64,
                ..idle
            }],
            Regime::Throughput => vec![Work { campaigns: of(100_000), page_size: 500, ..idle }],
            Regime::Start => vec![idle],
            Regime::Growth => [10_000, 100_000, 1_000_000]
                .map(|campaigns| Work { campaigns: of(campaigns), page_size: 500, ..idle })
                .into(),
            Regime::Store => vec![],
        }
    }

    pub(crate) fn contenders(self) -> &'static [Contender] {
        use Contender::{Asyncio, BareLoop, CampaignSync, Dlt, DltAiohttp, Node, RawRequests};
        match self {
            Regime::Throughput => &[CampaignSync, BareLoop, RawRequests, Asyncio, Node, Dlt, DltAiohttp],
            Regime::Growth => &[CampaignSync],
            Regime::Store => &[],
            _ => &[CampaignSync, Asyncio, Node, Dlt],
        }
    }
}
