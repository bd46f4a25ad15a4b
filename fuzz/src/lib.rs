//! What has to hold whatever a platform sends. Each module is a property of raw bytes: its `holds` panics where the
//! property does not hold. The fuzz targets look for such bytes; `tests/properties/` tries those that are known.
//!
//! What is right is worked out here a second time, from the text and without serde's or the product's types.

pub mod auth_answer;
pub mod campaign;
pub mod error_body;
mod head;
pub mod hint_headers;
mod json;
pub mod page;
mod printable;
pub mod storable;
pub mod sync_answer;
mod time;
