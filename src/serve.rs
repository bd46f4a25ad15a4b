//! `serve`: accounts synced on schedule until the program is stopped.

pub mod schedule;
