//! An error of the TLS library -> what is wrong, in a sentence for whoever can put it right.

use std::error::Error;
use std::io;

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

/// Of a certificate's names; one that is for a whole data centre has hundreds.
const SHOWN_NAMES: usize = 5;
/// The longest that DNS knows.
const SHOWN_NAME_CHARS: usize = 253;
const TOO_OLD: &str = "the server speaks no TLS that is safe enough; let it speak TLS 1.3 or 1.2";

/// How a person gives what a server turned out to need.
pub(crate) struct Ways {
    /// Completes "name the file of its authority …".
    pub(crate) authority: &'static str,
    /// Completes "the server wants a certificate of ours, …" and "it wants another one, …".
    pub(crate) certificate: &'static str,
}

/// The TLS library's error that is at the bottom of another, if there is one.
pub(crate) fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // The source of such an error is not what it holds, but the source of that.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

/// What is wrong, and what to do.
pub(crate) fn explain(error: &rustls::Error, ways: &Ways) -> String {
    match error {
        rustls::Error::InvalidCertificate(wrong) => of_the_certificate(wrong, ways),
        rustls::Error::AlertReceived(alert) => of_the_alert(*alert, ways),
        rustls::Error::PeerIncompatible(_) => TOO_OLD.to_owned(),
        rustls::Error::InvalidMessage(_) => {
            "what the server answers is not TLS; correct the port, or switch TLS on there".to_owned()
        }
        other => format!("the connection could not be encrypted ({other}); the server's log may say more"),
    }
}

fn of_the_certificate(wrong: &CertificateError, ways: &Ways) -> String {
    match wrong {
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "the server's certificate expired on {}; renew it there, or correct the clock here",
            time(*not_after)
        ),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is valid only from {} on; correct the clock here, or the certificate there",
            time(*not_before)
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            match &presented[..] {
                // A common name is none: it is not looked at.
                [] => format!(
                    "the server's certificate is not for {expected}, as it has no name at all; give it a subjectAltName"
                ),
                names => {
                    format!(
                        "the server's certificate is not for {expected} but for {}; correct the host, or give the server a \
                         certificate with that name",
                        listed(names)
                    )
                }
            }
        }
        CertificateError::UnknownIssuer => format!(
            "the server's certificate is issued by nobody who is believed here; name the file of its authority {}",
            ways.authority
        ),
        CertificateError::Revoked => {
            "the server's certificate has been revoked; give it another one".to_owned()
        }
        CertificateError::BadSignature => {
            "the server's certificate was not signed by the authority that it names; give it another one".to_owned()
        }
        // The library's own words for a certificate that is an authority's and a server's at once.
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
            "the server's certificate is that of an authority (CA:TRUE); give the server one of its own, issued by it"
                .to_owned()
        }
        other => format!("the server's certificate cannot be believed ({other}); give it another one"),
    }
}

fn of_the_alert(alert: AlertDescription, ways: &Ways) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired | Alert::NoCertificate => {
            format!("the server wants a certificate of ours, {}", ways.certificate)
        }
        Alert::ProtocolVersion | Alert::InsufficientSecurity => TOO_OLD.to_owned(),
        // Older libraries say no more than this.
        Alert::HandshakeFailure => format!(
            "the server refused the handshake: it speaks no TLS that is safe enough (let it speak TLS 1.3 or 1.2), or it \
             wants a certificate of ours, {}",
            ways.certificate
        ),
        Alert::UnrecognisedName => {
            "the server knows nothing of the name that it was asked for; correct the host".to_owned()
        }
        Alert::UnknownCA
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateExpired
        | Alert::CertificateRevoked
        | Alert::CertificateUnknown
        | Alert::AccessDenied => format!(
            "the server does not accept our certificate (alert {}); it wants another one, {}",
            u8::from(alert),
            ways.certificate
        ),
        other => format!("the server broke the encryption off (alert {}); its log says why", u8::from(other)),
    }
}

/// Whether another try meets the same: a certificate, a protocol, who we are. Any other is perhaps a server that restarts.
pub(crate) fn is_final(error: &rustls::Error) -> bool {
    use AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::PeerIncompatible(_) => true,
        rustls::Error::AlertReceived(alert) => !matches!(
            alert,
            Alert::InternalError
                | Alert::CloseNotify
                | Alert::UserCanceled
                | Alert::DecodeError
                | Alert::Unknown(_)
        ),
        _ => false,
    }
}

fn time(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(|_| "a time that is no date".to_owned(), |at| at.to_string())
}

/// Names as the library writes them, `DnsName("a.example")`, in the words of a person. Whoever made the certificate chose
/// them, so they are neither long nor anything that a terminal obeys.
fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(SHOWN_NAMES).map(|name| plain(name)).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn plain(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    let inner = inner.trim_matches('"');
    inner.chars().take(SHOWN_NAME_CHARS).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::ServerName;

    use super::*;

    const WAYS: Ways = Ways { authority: "with --x", certificate: "give it with --y" };

    fn said(error: impl Into<rustls::Error>) -> String {
        explain(&error.into(), &WAYS)
    }

    #[test]
    fn a_certificate_that_cannot_be_believed_says_since_when_for_whom_or_by_whom() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let expired = CertificateError::ExpiredContext { time: at(2), not_after: at(1_700_000_000) };
        assert!(said(expired).contains("expired on 2023-11-14T22:13:20Z; renew it there"));
        let early = CertificateError::NotValidYetContext { time: at(0), not_before: at(1_700_000_000) };
        assert!(said(early).contains("only from 2023-11-14T22:13:20Z on; correct the clock"));
        assert!(said(CertificateError::UnknownIssuer).ends_with("of its authority with --x"));
        let name = |presented: &[&str]| CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("db.example").expect("a name"),
            presented: presented.iter().map(|&name| name.to_owned()).collect(),
        };
        assert_eq!(
            said(name(&["DnsName(\"a.example\")", "IpAddress(10.0.0.1)"])),
            "the server's certificate is not for db.example but for a.example, 10.0.0.1; correct the host, or give the \
             server a certificate with that name"
        );
        assert!(said(name(&[])).ends_with("has no name at all; give it a subjectAltName"));
        assert!(said(name(&["DnsName(\"a\u{1b}[2J\")"; 7])).contains("a?[2J, a?[2J and 2 more; correct"));
    }

    #[test]
    fn what_the_server_wants_is_told_with_the_way_to_give_it() {
        let alert = |alert| said(rustls::Error::AlertReceived(alert));
        assert!(alert(AlertDescription::CertificateRequired).ends_with("of ours, give it with --y"));
        assert!(alert(AlertDescription::UnknownCA).contains("does not accept our certificate (alert 48)"));
        assert!(alert(AlertDescription::ProtocolVersion).contains("let it speak TLS 1.3 or 1.2"));
    }

    #[test]
    fn an_error_is_found_below_whatever_was_put_around_it() {
        let inner = rustls::Error::DecryptError;
        let outer = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, inner.clone()));
        assert_eq!(cause(&outer), Some(&inner));
        assert_eq!(cause(&io::Error::from(io::ErrorKind::UnexpectedEof)), None);
    }
}
