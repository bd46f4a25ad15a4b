//! The store on a real PostgreSQL: what it leaves in the tables, and what its errors say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod campaigns;
mod concurrent_commits;
mod dead_letters;
mod injection;
mod outages;
mod ownership;
mod pauses;
mod removal;
mod retention;
mod rights;
mod runs;
mod schema;
mod search_path;
mod sharing;
mod spent;
mod standings;
mod support;
