//! `serve`: accounts synced on schedule until the program is stopped.

pub mod http;
pub mod letters;
pub mod live;
pub mod schedule;
pub mod scheduler;
pub mod systemd;
