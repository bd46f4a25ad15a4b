//! The file of a private key. Promises to use none that others can read, by libpq's rule.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::zeroize::Zeroizing;

use super::UnusableFile;

/// What a key that is root's may not allow: root's group is how a service is given it.
const FORBIDDEN_OF_ROOT: u32 = 0o037;
/// What anybody's may not.
const FORBIDDEN: u32 = 0o077;

/// The first key of a PEM file.
pub(crate) fn read(path: &Path) -> Result<PrivateKeyDer<'static>, UnusableFile> {
    let unusable = |why: &str| UnusableFile::new(path, why);
    let metadata = fs::metadata(path).map_err(|error| unusable(&format!("cannot be read: {error}")))?;
    let forbidden = if metadata.uid() == 0 { FORBIDDEN_OF_ROOT } else { FORBIDDEN };
    if metadata.is_file() && metadata.mode() & forbidden != 0 {
        return Err(unusable(
            "can be read by others; chmod 0600 closes it (0640 is allowed where it is root's)",
        ));
    }
    let pem = Zeroizing::new(super::read(path)?);
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| match super::is_pem(&pem) {
        true => unusable("holds no private key without a passphrase"),
        false => unusable("is not PEM"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn with_mode(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("room for it");
        fs::set_permissions(file.path(), Permissions::from_mode(mode)).expect("it is ours");
        file
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_by_libpqs_rule() {
        let key = rcgen::KeyPair::generate().expect("a key").serialize_pem();
        let is_root = nix::unistd::geteuid().is_root();
        for (mode, allowed) in
            [(0o600, true), (0o400, true), (0o640, is_root), (0o660, false), (0o604, false), (0o644, false)]
        {
            let file = with_mode(&key, mode);
            let read = read(file.path());
            assert_eq!(read.is_ok(), allowed, "{mode:o}");
            assert!(read.err().is_none_or(|error| error.to_string().contains("chmod 0600")), "{mode:o}");
        }
    }

    #[test]
    fn a_file_without_a_key_says_so_and_nothing_of_what_is_in_it() {
        let locked =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\naHVudGVyMg==\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for (text, why) in [("hunter2", "is not PEM"), (locked, "holds no private key without a passphrase")]
        {
            let error = read(with_mode(text, 0o600).path()).expect_err("there is no key").to_string();
            assert!(error.ends_with(why), "{error}");
        }
    }
}
