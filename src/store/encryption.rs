//! How a connection to PostgreSQL is encrypted: libpq's `sslmode`, `sslrootcert`, `sslcert` and `sslkey`, with what they
//! mean there. Promises that a mode which promises to know the server never connects to one that it does not know.

mod verifier;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use thiserror::Error;
use tokio_postgres::config::SslMode;

use self::verifier::WithoutName;
use super::database_url::InvalidDatabaseUrl;
use crate::tls::{self, Authorities, NoAuthorities, UnusableFile, Ways};

/// The options that are read here and not by the driver.
pub(super) const OPTIONS: [&str; 4] = ["sslmode", "sslrootcert", "sslcert", "sslkey"];
/// For `sslrootcert`: the authorities of the system.
const SYSTEM: &str = "system";
/// What a server of PostgreSQL calls its protocol, where it asks for that.
const PROTOCOL: &[u8] = b"postgresql";

/// In messages.
pub(super) const WAYS: Ways = Ways {
    authority: "with sslrootcert in the database URL",
    certificate: "with sslcert and sslkey in the database URL",
};

/// What a database URL says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encryption {
    /// Whether it is demanded, in the driver's words.
    pub(super) demanded: SslMode,
    known_by: KnownBy,
    identity: Option<Identity>,
}

/// What tells whether the server is the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum KnownBy {
    /// Whoever answers is.
    Nothing,
    /// Its certificate's authority, one of a file.
    Authority(PathBuf),
    /// That and its name. Without a file, an authority of the system.
    AuthorityAndName(Option<PathBuf>),
}

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

/// Why no connection can be tried.
#[derive(Debug, Error)]
pub(super) enum UnusableEncryption {
    #[error("its sslrootcert cannot be used: {0}")]
    Authority(#[source] UnusableFile),
    #[error("its sslcert cannot be used: {0}")]
    Certificate(#[source] UnusableFile),
    #[error("its sslkey cannot be used: {0}")]
    Key(#[source] UnusableFile),
    #[error("{0}")]
    NoAuthorities(#[from] NoAuthorities),
    #[error("its sslcert and sslkey cannot be used together: the key is not that of the certificate")]
    OtherKey,
    #[error("TLS cannot be set up: {0}")]
    Library(#[source] rustls::Error),
}

impl Encryption {
    /// What holds where nothing is said: TLS where the server offers it.
    pub(super) fn preferred() -> Self {
        Self { demanded: SslMode::Prefer, known_by: KnownBy::Nothing, identity: None }
    }

    /// Of the options' values. The files are not read yet.
    pub(super) fn of<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Result<Self, InvalidDatabaseUrl> {
        let refuse = |why: &str| Err(InvalidDatabaseUrl::InvalidOption(why.to_owned()));
        let root = value("sslrootcert");
        let default = if root == Some(SYSTEM) { "verify-full" } else { "prefer" };
        let mode = value("sslmode").unwrap_or(default);
        let known_by = match (mode, root) {
            ("disable", _) => return Ok(Self { demanded: SslMode::Disable, ..Self::preferred() }),
            ("prefer" | "require", None) => KnownBy::Nothing,
            ("prefer", Some(_)) => {
                return refuse(
                    "sslrootcert has no use with sslmode=prefer, which takes any server for the right one; add sslmode=verify-full",
                );
            }
            ("verify-full", None | Some(SYSTEM)) => KnownBy::AuthorityAndName(None),
            ("verify-full", Some(file)) => KnownBy::AuthorityAndName(Some(file.into())),
            ("require" | "verify-ca", Some(SYSTEM)) => {
                return refuse(
                    "sslrootcert=system needs sslmode=verify-full, as an authority of the system gives anybody a certificate",
                );
            }
            ("require" | "verify-ca", Some(file)) => KnownBy::Authority(file.into()),
            ("verify-ca", None) => {
                return refuse("sslmode=verify-ca needs sslrootcert, the PEM file of the server's authority");
            }
            ("allow", _) => return refuse("sslmode=allow is not supported; use sslmode=prefer"),
            _ => {
                return refuse("sslmode must be one of disable, prefer, require, verify-ca and verify-full");
            }
        };
        let identity = match (value("sslcert"), value("sslkey")) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                Some(Identity { certificate: certificate.into(), key: key.into() })
            }
            (Some(_), None) => return refuse("sslcert needs sslkey, the PEM file of its key"),
            (None, Some(_)) => return refuse("sslkey needs sslcert, the PEM file of its certificate"),
        };
        let demanded = if mode == "prefer" { SslMode::Prefer } else { SslMode::Require };
        Ok(Self { demanded, known_by, identity })
    }

    /// What the library needs to know. Reads the files, so that the next connection takes a certificate that was renewed;
    /// that may take milliseconds.
    pub(super) fn client(&self) -> Result<ClientConfig, UnusableEncryption> {
        let own = |file: &PathBuf| Authorities::of_file(file).map_err(UnusableEncryption::Authority);
        let builder = match &self.known_by {
            KnownBy::Nothing => without_name(None),
            KnownBy::Authority(file) => without_name(Some(own(file)?)),
            KnownBy::AuthorityAndName(Some(file)) => tls::client_that_believes(own(file)?.alone()),
            KnownBy::AuthorityAndName(None) => {
                tls::client_that_believes(Authorities::default().beside_the_systems()?)
            }
        };
        let builder = builder.map_err(UnusableEncryption::Library)?;
        let mut client = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let chain = tls::certificates(certificate).map_err(UnusableEncryption::Certificate)?;
                let key = tls::key::read(key).map_err(UnusableEncryption::Key)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| match error {
                    rustls::Error::InconsistentKeys(_) => UnusableEncryption::OtherKey,
                    other => UnusableEncryption::Library(other),
                })?
            }
        };
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(client)
    }
}

fn without_name(
    authorities: Option<Authorities>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, rustls::Error> {
    let verifier = WithoutName::new(authorities.map(|own| own.alone()));
    Ok(tls::client()?.dangerous().with_custom_certificate_verifier(Arc::new(verifier)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(options: &[(&str, &'static str)]) -> Result<Encryption, String> {
        let value = |name: &str| options.iter().find(|(option, _)| *option == name).map(|(_, value)| *value);
        Encryption::of(value).map_err(|error| error.to_string())
    }

    #[test]
    fn each_mode_means_what_it_means_to_libpq() {
        use KnownBy::{Authority, AuthorityAndName, Nothing};
        let file = || PathBuf::from("/ca.pem");
        for (options, demanded, known_by) in [
            (&[][..], SslMode::Prefer, Nothing),
            (&[("sslmode", "disable")], SslMode::Disable, Nothing),
            (&[("sslmode", "disable"), ("sslrootcert", "/ca.pem")], SslMode::Disable, Nothing),
            (&[("sslmode", "prefer")], SslMode::Prefer, Nothing),
            (&[("sslmode", "require")], SslMode::Require, Nothing),
            (&[("sslmode", "require"), ("sslrootcert", "/ca.pem")], SslMode::Require, Authority(file())),
            (&[("sslmode", "verify-ca"), ("sslrootcert", "/ca.pem")], SslMode::Require, Authority(file())),
            (&[("sslmode", "verify-full")], SslMode::Require, AuthorityAndName(None)),
            (&[("sslrootcert", "system")], SslMode::Require, AuthorityAndName(None)),
            (
                &[("sslmode", "verify-full"), ("sslrootcert", "system")],
                SslMode::Require,
                AuthorityAndName(None),
            ),
            (
                &[("sslmode", "verify-full"), ("sslrootcert", "/ca.pem")],
                SslMode::Require,
                AuthorityAndName(Some(file())),
            ),
        ] {
            assert_eq!(of(options), Ok(Encryption { demanded, known_by, identity: None }), "{options:?}");
        }
    }

    #[test]
    fn what_would_promise_less_than_it_seems_to_is_refused_with_what_to_do() {
        for (options, says) in [
            (&[("sslmode", "verify-ca")][..], "needs sslrootcert"),
            (&[("sslmode", "verify-ca"), ("sslrootcert", "system")], "needs sslmode=verify-full"),
            (&[("sslmode", "require"), ("sslrootcert", "system")], "needs sslmode=verify-full"),
            (&[("sslrootcert", "/ca.pem")], "add sslmode=verify-full"),
            (&[("sslmode", "prefer"), ("sslrootcert", "/ca.pem")], "add sslmode=verify-full"),
            (&[("sslmode", "allow")], "use sslmode=prefer"),
            (&[("sslmode", "hunter2")], "one of disable, prefer, require, verify-ca and verify-full"),
            (&[("sslcert", "/c.pem")], "sslcert needs sslkey"),
            (&[("sslkey", "/k.pem")], "sslkey needs sslcert"),
        ] {
            let error = of(options).expect_err("it is refused");
            assert!(error.contains(says) && !error.contains("hunter2"), "{options:?}: {error}");
        }
    }
}
