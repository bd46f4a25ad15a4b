//! What has to hold whatever a platform sends, tried without a fuzzer: the properties of `fuzz/` on its corpus, on
//! generated pages, and from a page to a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../fuzz/src/lib.rs"]
pub mod properties;

mod any_page;
mod corpus;
mod json;
mod stored;
