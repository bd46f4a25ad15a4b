//! What we show who connects to us: certificates with their key. Promises that a new identity is shown from the next
//! connection on, also to who was here before, and that connections that there are go on.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use super::{UnusableFile, certificates, key, provider};

/// See the module. A clone is the same identity.
#[derive(Clone)]
pub struct Identity(Arc<RwLock<Arc<CertifiedKey>>>);

impl Identity {
    /// The certificates of the one file, the server's first, and the key of the other.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, UnusableFile> {
        let (chain, private) = (certificates(certificate)?, key::read(key)?);
        let identity = CertifiedKey::from_der(chain, private, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => UnusableFile::new(key, "is not the key of the certificate"),
            other => UnusableFile::new(certificate, format!("cannot be used: {other}")),
        })?;
        Ok(Self(Arc::new(RwLock::new(Arc::new(identity)))))
    }

    /// From now on it is this one, for all clones. Whether it is another.
    pub(crate) fn replace(&self, new: &Self) -> bool {
        let new = new.newest();
        let mut shown = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_another = shown.cert != new.cert;
        *shown = new;
        is_another
    }

    /// The settings of a server that shows it.
    pub(crate) fn server(&self) -> Result<ServerConfig, rustls::Error> {
        let builder =
            ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12])?;
        let mut server = builder.with_no_client_auth().with_cert_resolver(Arc::new(self.clone()));
        // Who resumes a session is shown no certificate.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(server)
    }

    fn newest(&self) -> Arc<CertifiedKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.newest())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[certificate and key]")
    }
}
