//! `serve`: accounts synced on schedule until the program is stopped.

pub mod schedule;
pub mod scheduler;
