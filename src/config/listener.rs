//! Where `serve` listens, and how: on loopback, over TLS, or elsewhere without it where that is said in so many words.

use std::net::SocketAddr;
use std::path::Path;

use super::problem::{Problem, Refusal};
use super::reader::Reader;
use super::{setting, text};
use crate::cli::ListenArgs;
use crate::tls::{Identity, UnusableFile};

const LOOPBACK: &str = "a loopback address, unless with a certificate (--listen-certificate and --listen-key) or with \
                        --listen-without-tls: who is on the way could read the token";

/// See the module.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Which address.
    pub address: SocketAddr,
    /// With which certificate; none: HTTP as it is.
    pub tls: Option<Identity>,
}

/// Whether it could be a path, where nobody reads the file.
pub(super) fn path(text: &str) -> Result<(), Refusal> {
    if text.is_empty() { Err(Refusal::new("the path of a PEM file")) } else { Ok(()) }
}

/// The files are read: what is wrong with them is said before anything is started.
pub(super) fn listener(reader: &mut Reader<'_>, args: &ListenArgs) -> Option<Listener> {
    let without_tls = reader.switch(&setting::LISTEN_WITHOUT_TLS, args.listen_without_tls);
    let file = |text: &str| path(text).map(|()| text.to_owned());
    let certificate = reader.optional(&setting::LISTEN_CERTIFICATE, args.listen_certificate.as_deref(), file);
    let key = reader.optional(&setting::LISTEN_KEY, args.listen_key.as_deref(), file);
    let anywhere = without_tls || certificate.is_some() || key.is_some();
    let address = reader.optional(&setting::LISTEN, args.listen.as_deref(), |text| {
        let address = text::address(text)?;
        if anywhere || address.ip().is_loopback() { Ok(address) } else { Err(Refusal::new(LOOPBACK)) }
    });
    let tls = match (&certificate, &key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(read(reader, certificate, key)?),
        (Some(_), None) => return missing(reader, "--listen-key", "the PEM file of the certificate's key"),
        (None, Some(_)) => {
            return missing(reader, "--listen-certificate", "the PEM file of the key's certificate");
        }
    };
    Some(Listener { address: address?, tls })
}

fn read(reader: &mut Reader<'_>, certificate: &str, key: &str) -> Option<Identity> {
    match Identity::read(Path::new(certificate), Path::new(key)) {
        Ok(identity) => Some(identity),
        Err(UnusableFile { path, why }) => {
            let (path, reason) =
                (path.display().to_string(), format!("{why}, so HTTP cannot be served with it"));
            reader.refuse(Problem::File { path, at: None, reason });
            None
        }
    }
}

fn missing(reader: &mut Reader<'_>, setting: &str, what: &str) -> Option<Listener> {
    reader.refuse(Problem::Missing { setting: setting.to_owned(), at: None, ways: format!("name {what}") });
    None
}
