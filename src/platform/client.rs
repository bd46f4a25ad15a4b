//! The connections to platforms, as this program needs them. awc's defaults would follow redirects, time out without the
//! body and panic for want of a TLS provider; each is set here, on purpose.

use std::sync::Arc;
use std::time::Duration;

use awc::http::header::{ACCEPT, USER_AGENT};
use awc::{Client, Connector};
use rustls::{ClientConfig, RootCertStore};

use super::SetupError;

/// Who we are, for the platform's operators.
const OUR_NAME: &str = concat!("campaign-sync/", env!("CARGO_PKG_VERSION"));
/// Longer than any attempt, whose own deadline comes first.
const AFTER_ANY_DEADLINE: Duration = Duration::from_secs(3600);

/// Open connections, whoever's: one that has become idle serves the next request to its host, of whatever account. They
/// belong to the arbiter that they are used on; a clone shares them.
#[derive(Clone)]
pub struct Connections(pub(crate) Client);

impl Connections {
    /// For so many requests at once. Without TLS, nothing but http can be reached.
    pub fn new(at_once: usize, with_tls: bool) -> Result<Self, SetupError> {
        let connector = Connector::new()
            .rustls_0_23(Arc::new(tls(with_tls)?))
            // Waiting for a connection would eat an attempt's time: there is one for each request in flight.
            .limit(at_once.max(1))
            .timeout(AFTER_ANY_DEADLINE)
            .handshake_timeout(AFTER_ANY_DEADLINE);
        let client = Client::builder()
            .connector(connector)
            .disable_timeout()
            // A redirect would carry the token to wherever it points.
            .disable_redirects()
            .add_default_header((ACCEPT, "application/json"))
            .add_default_header((USER_AGENT, OUR_NAME))
            .finish();
        Ok(Self(client))
    }
}

fn tls(wanted: bool) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    if wanted {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(SetupError::NoRoots(found.errors.first().map(ToString::to_string)));
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(SetupError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Not HTTP/2: its library logs header frames, and one request per connection is all that we send.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
