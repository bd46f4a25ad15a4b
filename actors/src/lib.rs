//! The pipeline of campaign-sync: who does what, and what happens when it fails. It knows no HTTP, no SQL, no
//! environment and no terminal; the outside world stands behind the two [`ports`].
//!
//! ```text
//!  PagerActor <-- next page -- Pipeline -- one campaign --> SyncActor x concurrency --> AuthActor (token)
//!                               |   ^                              `------------------> RateLimiter (permit)
//!        StoreActor <-- settled -'   `-- committed ids -- StoreActor
//! ```
//!
//! The modules in the order of that flow:

pub mod model;
pub mod ports;
pub mod settings;

mod auth_actor;
mod closing;
mod credentials;
mod listing;
pub mod max_shrink;
mod pager_actor;
mod pipeline;
mod probe;
mod requester;
mod skipped;
mod store_actor;
mod sync_actor;

mod allowances;
mod breaker;
mod jitter;
mod ledger;
pub mod lower_bound;
pub mod permit;
pub mod quota_signals;
mod rate_limiter;
pub mod retry_budget;
pub mod retry_policy;
mod sliding_log;
mod stamp_rule;

mod supervision;

mod spans;

mod fleet;
pub mod metrics;
pub mod progress;
pub mod report;
mod run;

#[cfg(feature = "testing")]
pub mod testing;

pub use credentials::check_credentials;
pub use fleet::Fleet;
pub use probe::{Probe, probe};
pub use run::run;
