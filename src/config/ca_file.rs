//! Authorities of one's own, beside the system's, for the certificates of platforms.

use std::path::Path;

use super::problem::Refusal;
use crate::tls::Authorities;

const ALLOWED: &str = "the path of a PEM file with one or more certificates of authorities";

/// Whether it could be a path, where nobody reads the file.
pub(super) fn path(text: &str) -> Result<(), Refusal> {
    if text.is_empty() { Err(Refusal::new(ALLOWED)) } else { Ok(()) }
}

/// What is in the file.
pub(super) fn read(text: &str) -> Result<Authorities, Refusal> {
    path(text)?;
    Authorities::of_file(Path::new(text))
        .map_err(|error| Refusal::new(format!("{ALLOWED} (this one {})", error.why)))
}
