//! How the pool of connections stands, for whoever watches it.

use bb8::Pool;

use super::POOL_SIZE;
use super::session::Sessions;

/// Sees the pool of a [`super::PgStore`], and keeps it open.
pub struct PoolWatch(Pool<Sessions>);

/// What it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// Connections that somebody works with.
    pub in_use: u32,
    /// Connections that nobody works with.
    pub idle: u32,
    /// Connections that there may be.
    pub most: u32,
    /// Calls that wait for one.
    pub waiting: u64,
    /// Calls that got none in time, since the pool was made.
    pub timeouts: u64,
}

impl PoolWatch {
    pub(super) fn new(pool: Pool<Sessions>) -> Self {
        Self(pool)
    }

    /// At this moment.
    pub fn state(&self) -> PoolState {
        let state = self.0.state();
        let calls = &state.statistics;
        // Read one after the other, so they may not fit together for a moment.
        let ended = calls.get_direct + calls.get_waited + calls.get_timed_out;
        PoolState {
            in_use: state.connections.saturating_sub(state.idle_connections),
            idle: state.idle_connections,
            most: POOL_SIZE,
            waiting: calls.get_started.saturating_sub(ended),
            timeouts: calls.get_timed_out,
        }
    }
}
