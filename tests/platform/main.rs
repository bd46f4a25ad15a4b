//! `HttpPlatform` against a server that answers with scripted bytes, over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod connections;
mod messages;
mod requests;
#[path = "../support/scripted_server.rs"]
mod scripted_server;
mod support;
