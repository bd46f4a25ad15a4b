//! What we show who connects to us: certificates with their key. Promises that a new identity is shown from the next
//! connection on, also to who was here before, and that connections that there are go on.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use thiserror::Error;

use super::{UnusableFile, certificates, key, provider};

/// Why we cannot serve with a certificate.
#[derive(Debug, Error)]
pub(crate) enum UnusableIdentity {
    #[error("the certificate cannot be used: {0}")]
    Certificate(#[source] UnusableFile),
    #[error("the key cannot be used: {0}")]
    Key(#[source] UnusableFile),
    #[error("the key is not that of the certificate")]
    OtherKey,
    #[error("TLS cannot be set up: {0}")]
    Library(#[source] rustls::Error),
}

/// See the module. A clone is the same identity.
#[derive(Clone)]
pub struct Identity(Arc<RwLock<Arc<CertifiedKey>>>);

impl Identity {
    /// The certificates of the one file, the server's first, and the key of the other.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, UnusableIdentity> {
        let chain = certificates(certificate).map_err(UnusableIdentity::Certificate)?;
        let key = key::read(key).map_err(UnusableIdentity::Key)?;
        let identity = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => UnusableIdentity::OtherKey,
            other => UnusableIdentity::Library(other),
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
