//! The HTTP of `serve`, over real connections and a real PostgreSQL, with a scheduler whose runs last until they are
//! stopped.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod client;
mod control;
mod description;
mod events;
mod lists;
mod refusals;
mod status_page;
mod support;
mod systemd;
