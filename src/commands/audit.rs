//! `audit`: what was done in the database, shown, and in the end deleted.

mod list;
mod prune;

pub use list::run as list;
pub use prune::run as prune;
