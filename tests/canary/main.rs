//! No secret shows up anywhere: each is planted with a part of its own that nobody else would write, the real binary does
//! what it does and fails in the ways in which it can, and whatever it left behind is searched for that part.
//!
//! What a platform lists is its own data and stored as it came, in `campaigns` and in `dead_letters.payload`; so no platform
//! here puts a secret into an entry, but for one test that says so.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod database;
mod evidence;
mod failing;
mod formatting;
mod http;
#[path = "../support/loopback_server.rs"]
mod loopback_server;
mod planted;
mod platform;
mod scene;
mod searching;
mod secret;
mod serving;
mod succeeding;
#[path = "../support/until.rs"]
mod until;
