//! The pool of connections to the database, as it stands when somebody looks.

use ::metrics::{Counter, Gauge};
use actors::metrics::{Metric, Unit, counter, gauge};

use crate::store::PoolState;

const CONNECTIONS: Metric = gauge(
    "campaign_sync_pool_connections",
    Unit::Count,
    &["state"],
    "Connections of the pool to the database: in_use or idle.",
);
const MOST: Metric = gauge(
    "campaign_sync_pool_connections_max",
    Unit::Count,
    &[],
    "Connections that the pool may have at the most.",
);
const WAITING: Metric =
    gauge("campaign_sync_pool_waiting", Unit::Count, &[], "Calls that wait for a connection of the pool.");
const TIMEOUTS: Metric = counter(
    "campaign_sync_pool_timeouts_total",
    &[],
    "Calls that got no connection of the pool in time. They are tried again.",
);

pub(super) const ALL: [Metric; 4] = [CONNECTIONS, MOST, WAITING, TIMEOUTS];

pub(super) struct PoolMetrics {
    in_use: Gauge,
    idle: Gauge,
    most: Gauge,
    waiting: Gauge,
    timeouts: Counter,
}

impl PoolMetrics {
    pub(super) fn new() -> Self {
        Self {
            in_use: CONNECTIONS.gauge(["in_use".into()]),
            idle: CONNECTIONS.gauge(["idle".into()]),
            most: MOST.gauge([]),
            waiting: WAITING.gauge([]),
            timeouts: TIMEOUTS.counter([]),
        }
    }

    pub(super) fn show(&self, pool: &PoolState) {
        self.in_use.set(f64::from(pool.in_use));
        self.idle.set(f64::from(pool.idle));
        self.most.set(f64::from(pool.most));
        self.waiting.set(pool.waiting as f64);
        self.timeouts.absolute(pool.timeouts);
    }
}
