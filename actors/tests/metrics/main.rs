//! What a run tells an operator, in virtual time: each metric is fed by what it is about, and by nothing else.

mod accounts;
mod readings;
mod requests;
mod runs;
mod table;
