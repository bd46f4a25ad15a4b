//! The scheduler in virtual time, with runs that last as long and end as the test says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod any_course;
mod ending;
mod reload;
mod support;
mod timing;
