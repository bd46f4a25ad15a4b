//! The platform as its clients see it: real HTTP over real sockets, and the statistics that must agree with it.

mod connections;
mod endpoints;
mod faults;
mod limits_and_faults;
mod statistics;
mod support;
