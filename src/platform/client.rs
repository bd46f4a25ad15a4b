//! The connections to platforms, as this program needs them. awc's defaults would follow redirects, time out without the
//! body and panic for want of a TLS provider; each is set here, on purpose.

use std::sync::Arc;
use std::time::Duration;

use awc::{Client, Connector};
use rustls::{ClientConfig, RootCertStore};

use super::SetupError;
use crate::tls::{self, Authorities};

/// Longer than any attempt, whose own deadline comes first.
const AFTER_ANY_DEADLINE: Duration = Duration::from_secs(3600);

/// Open connections, whoever's: one that has become idle serves the next request to its host, of whatever account. They
/// belong to the arbiter that they are used on; a clone shares them.
#[derive(Clone)]
pub struct Connections(pub(crate) Client);

impl Connections {
    /// For so many requests at once, also over https: to servers whose certificate is of one of these authorities or of
    /// the system's.
    pub fn encrypted(at_once: usize, own: &Authorities) -> Result<Self, SetupError> {
        Self::new(at_once, own.beside_the_systems()?)
    }

    /// The same for nothing but http, which needs nobody's certificate.
    pub fn plain(at_once: usize) -> Result<Self, SetupError> {
        Self::new(at_once, RootCertStore::empty())
    }

    fn new(at_once: usize, believed: RootCertStore) -> Result<Self, SetupError> {
        let connector = Connector::new()
            .rustls_0_23(Arc::new(client(believed).map_err(SetupError::Tls)?))
            // Waiting for a connection would eat an attempt's time: there is one for each request in flight.
            .limit(at_once.max(1))
            .timeout(AFTER_ANY_DEADLINE)
            .handshake_timeout(AFTER_ANY_DEADLINE);
        let client = Client::builder()
            .connector(connector)
            .disable_timeout()
            // A redirect would carry the token to wherever it points.
            .disable_redirects()
            .finish();
        Ok(Self(client))
    }
}

fn client(believed: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let mut client = tls::client_that_believes(believed)?.with_no_client_auth();
    // Not HTTP/2: its library logs header frames, and one request per connection is all that we send.
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(client)
}
