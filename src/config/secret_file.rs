//! Secrets that stand in files, as they are or encrypted with age.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::secret_command::{MAX_SECRET_BYTES, without_newline};

/// Of a buffer that holds a secret and the byte that is one too many.
const CAPACITY: usize = MAX_SECRET_BYTES as usize + 2;

/// The file's text without the newline that editors put at its end.
pub(super) fn read(path: &Path) -> Result<SecretString, String> {
    text(&bytes(path)?)
}

/// As [`read`], of a file that only this identity can read.
#[cfg(feature = "age")]
pub(super) fn decrypt(path: &Path, identity: &SecretString) -> Result<SecretString, String> {
    let identities = identities(identity)?.into_identities().map_err(|_| NO_IDENTITY)?;
    let encrypted = bytes(path)?;
    let decryptor = age::Decryptor::new_buffered(age::armor::ArmoredReader::new(encrypted.as_slice()));
    let identities = identities.iter().map(|identity| &**identity as &dyn age::Identity);
    let mut decrypted = Zeroizing::new(Vec::with_capacity(CAPACITY));
    let reader =
        decryptor.and_then(|decryptor| decryptor.decrypt(identities)).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => "is encrypted to another identity than age_identity",
            _ => "is not a file that age has encrypted, or is damaged",
        })?;
    let read = reader.take(MAX_SECRET_BYTES + 1).read_to_end(&mut decrypted);
    read.map_err(|_| "is damaged")?;
    text(&decrypted)
}

#[cfg(not(feature = "age"))]
pub(super) fn decrypt(_: &Path, _: &SecretString) -> Result<SecretString, String> {
    Err("cannot be decrypted, because this build has no age (cargo install --locked --path . --features age makes \
         one that has)"
        .to_owned())
}

#[cfg(feature = "age")]
const NO_IDENTITY: &str =
    "cannot be decrypted: age_identity is not what age-keygen makes (AGE-SECRET-KEY-1…)";

/// What age-keygen has written.
#[cfg(feature = "age")]
pub(super) fn identities(text: &SecretString) -> Result<age::IdentityFile<age::NoCallbacks>, &'static str> {
    use secrecy::ExposeSecret;
    let is_identity = |line: &str| line.starts_with("AGE-SECRET-KEY-");
    if !text.expose_secret().lines().any(|line| is_identity(line.trim())) {
        return Err(NO_IDENTITY);
    }
    age::IdentityFile::from_buffer(text.expose_secret().as_bytes()).map_err(|_| NO_IDENTITY)
}

fn bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    // As large as it can get: what grows leaves copies behind that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(CAPACITY));
    File::open(path)
        .and_then(|file| file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_SECRET_BYTES { Err("is larger than 64 KiB".to_owned()) } else { Ok(bytes) }
}

fn text(bytes: &[u8]) -> Result<SecretString, String> {
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err("is larger than 64 KiB".to_owned());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    let line = without_newline(text);
    if line.is_empty() { Err("is empty".to_owned()) } else { Ok(SecretString::from(line)) }
}
