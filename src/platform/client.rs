//! The awc client of one account, as this program needs it. awc's defaults would follow redirects, time out
//! without the body and panic for want of a TLS provider; each is set here, on purpose.

use std::sync::Arc;
use std::time::Duration;

use awc::http::header::{ACCEPT, HeaderName, HeaderValue, USER_AGENT};
use awc::{Client, Connector};
use rustls::{ClientConfig, RootCertStore};

use super::{PlatformSettings, SetupError};

/// Tells the platform which account a request counts for.
const CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");
/// Who we are, for the platform's operators.
const OUR_NAME: &str = concat!("campaign-sync/", env!("CARGO_PKG_VERSION"));
/// The attempt's own deadline comes first; awc's must only not be earlier.
const AFTER_THE_DEADLINE: Duration = Duration::from_secs(1);

/// Builds the client. It belongs to the arbiter that it is used on.
pub(super) fn client(settings: &PlatformSettings) -> Result<Client, SetupError> {
    let account = HeaderValue::from_str(settings.account.as_str())
        .map_err(|_| SetupError::Account(settings.account.clone()))?;
    let too_late = settings.request_timeout + AFTER_THE_DEADLINE;
    let connector = Connector::new()
        .rustls_0_23(Arc::new(tls(settings.base_url.scheme() == "https")?))
        // Waiting for a connection would eat the attempt's time: there is one for each request in flight.
        .limit(settings.connections.max(1))
        .timeout(too_late)
        .handshake_timeout(too_late);
    Ok(Client::builder()
        .connector(connector)
        .disable_timeout()
        // A redirect would carry the token to wherever it points.
        .disable_redirects()
        .add_default_header((CLIENT_ID, account))
        .add_default_header((ACCEPT, "application/json"))
        .add_default_header((USER_AGENT, OUR_NAME))
        .finish())
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
