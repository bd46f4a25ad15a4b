//! What all encrypted connections have in common, to platforms and to PostgreSQL: the one provider of cryptography, the
//! authorities that are believed, and in `explain.rs` what went wrong, in words that a person can act on.
//! Promises that nothing older than TLS 1.2 is spoken.

mod explain;
mod identity;
pub(crate) mod key;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use thiserror::Error;

pub(crate) use self::explain::{Ways, cause, explain, is_final};
pub use self::identity::Identity;

/// A system's whole list of authorities is a quarter of a megabyte.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Why a file of certificates or keys cannot be used.
#[derive(Debug, Error)]
#[error("the file {} {why}", .path.display())]
pub struct UnusableFile {
    pub(crate) path: PathBuf,
    /// What it does or is, without any part of it.
    pub(crate) why: String,
}

impl UnusableFile {
    pub(crate) fn new(path: &Path, why: impl Into<String>) -> Self {
        Self { path: path.to_owned(), why: why.into() }
    }
}

/// Why nobody's certificate could be believed.
#[derive(Debug, Error)]
#[error(
    "no trusted root certificates were found on this system{}; install ca-certificates or set SSL_CERT_FILE",
    .0.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
)]
pub struct NoAuthorities(Option<String>);

/// Authorities of one's own, whose certificates for servers are believed. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// All certificates of a PEM file, at least one.
    pub fn of_file(path: &Path) -> Result<Self, UnusableFile> {
        let own = Self(certificates(path)?);
        own.roots().map_err(|number| {
            UnusableFile::new(path, format!("has a certificate that cannot be understood, number {number}"))
        })?;
        Ok(own)
    }

    /// Only these; or the number of the first that cannot be understood.
    fn roots(&self) -> Result<RootCertStore, usize> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in self.0.iter().enumerate() {
            roots.add(certificate.clone()).map_err(|_| index + 1)?;
        }
        Ok(roots)
    }

    /// These, and not the system's.
    pub(crate) fn alone(&self) -> RootCertStore {
        // Those of a file have been understood before.
        self.roots().unwrap_or_else(|_| RootCertStore::empty())
    }

    /// These beside the system's; one of the two has to be there.
    pub(crate) fn beside_the_systems(&self) -> Result<RootCertStore, NoAuthorities> {
        let mut roots = self.alone();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(NoAuthorities(found.errors.first().map(ToString::to_string)));
        }
        Ok(roots)
    }
}

/// All certificates of a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, UnusableFile> {
    let pem = read(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ if !is_pem(&pem) => Err(UnusableFile::new(path, "is not PEM")),
        Ok(_) => Err(UnusableFile::new(path, "holds no certificate")),
        Err(_) => Err(UnusableFile::new(path, "is PEM that is damaged")),
    }
}

/// The file's bytes. Not of a pipe, which would be waited for.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, UnusableFile> {
    let unreadable = |error: std::io::Error| UnusableFile::new(path, format!("cannot be read: {error}"));
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(UnusableFile::new(path, "is no regular file"));
    }
    let size = metadata.len();
    // In one piece: what a vector grows out of is not wiped.
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(MAX_FILE_BYTES) + 1).unwrap_or_default());
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(UnusableFile::new(path, "is larger than 4 MiB"));
    }
    Ok(bytes)
}

/// Whether anything is in it that PEM begins with.
pub(crate) fn is_pem(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).contains("-----BEGIN ")
}

/// Named wherever one is needed: the library would else take what is compiled in, and panic where that is ambiguous.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A client's settings, as far as they are the same for everybody.
pub(crate) fn client() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12])
}

/// The same of a client that believes these authorities, and nobody without the right name.
pub(crate) fn client_that_believes(
    roots: RootCertStore,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    Ok(client()?.with_root_certificates(roots))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn file(text: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text).expect("room for it");
        file
    }

    fn certificate() -> String {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["db.example".to_owned()]).expect("a name");
        params.self_signed(&key).expect("a certificate").pem()
    }

    #[test]
    fn a_file_may_hold_several_certificates_with_words_between_them() {
        let text = format!("# ours\n{}\n# theirs\n{}", certificate(), certificate());
        let own = Authorities::of_file(file(text.as_bytes()).path()).expect("two certificates");
        assert_eq!((own.0.len(), own.alone().len()), (2, 2));
        assert!(own.beside_the_systems().is_ok_and(|roots| roots.len() >= 2));
        assert_eq!(Authorities::default().alone().len(), 0);
    }

    #[test]
    fn a_file_that_cannot_be_used_says_why_and_nothing_of_what_is_in_it() {
        let key = KeyPair::generate().expect("a key").serialize_pem();
        let damaged = certificate().replace("-----END CERTIFICATE-----", "");
        let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let large = vec![b'x'; usize::try_from(MAX_FILE_BYTES).expect("it fits") + 1];
        for (text, why) in [
            (&b""[..], "is not PEM"),
            (b"hunter2", "is not PEM"),
            (key.as_bytes(), "holds no certificate"),
            (damaged.as_bytes(), "is PEM that is damaged"),
            (not_a_certificate.as_bytes(), "has a certificate that cannot be understood, number 1"),
            (&large, "is larger than 4 MiB"),
        ] {
            let file = file(text);
            let error = Authorities::of_file(file.path()).expect_err("it cannot be used").to_string();
            assert_eq!(error, format!("the file {} {why}", file.path().display()));
        }
        let missing = Authorities::of_file(Path::new("/nowhere/ca.pem")).expect_err("it is not there");
        assert_eq!(
            missing.to_string(),
            "the file /nowhere/ca.pem cannot be read: No such file or directory (os error 2)"
        );
        let folder = Authorities::of_file(Path::new("/")).expect_err("it is a folder");
        assert_eq!(folder.to_string(), "the file / is no regular file");
    }
}
