//! Settings that are free text within limits.

use std::net::SocketAddr;

use actors::model::{AccountId, CampaignId};

use super::problem::Refusal;
use crate::serve::schedule::{InvalidSchedule, Schedule};
use crate::store::DatabaseUrl;

/// An id stands in headers, keys and reports.
const MAX_ACCOUNT_BYTES: usize = 128;
/// The longest that the tables hold.
const MAX_CAMPAIGN_BYTES: usize = 1024;
/// A token that is random needs no more, and one that is shorter is not.
const MIN_TOKEN_BYTES: usize = 16;
/// It travels in a header.
const MAX_TOKEN_BYTES: usize = 512;
/// The longest address that mail knows.
const MAX_EMAIL_BYTES: usize = 254;

/// Visible ASCII: it travels in a header.
pub(super) fn account(text: &str) -> Result<AccountId, Refusal> {
    let fits = !text.is_empty()
        && text.len() <= MAX_ACCOUNT_BYTES
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(AccountId::from(text))
    } else {
        Err(Refusal::new("1 to 128 letters, digits or signs of ASCII, without spaces"))
    }
}

/// Whatever the platform calls it.
pub(super) fn campaign(text: &str) -> Result<CampaignId, Refusal> {
    if (1..=MAX_CAMPAIGN_BYTES).contains(&text.len()) {
        Ok(CampaignId::from(text))
    } else {
        Err(Refusal::new("1 to 1024 bytes"))
    }
}

/// No colon: Basic authorization ends the name at the first.
pub(super) fn email(text: &str) -> Result<String, Refusal> {
    let fits = !text.trim().is_empty()
        && text.len() <= MAX_EMAIL_BYTES
        && !text.contains(|c: char| c == ':' || c.is_control());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Refusal::new("1 to 254 bytes without colons and control characters"))
    }
}

/// Anything but nothing.
pub(super) fn password(text: &str) -> Result<(), Refusal> {
    if text.is_empty() { Err(Refusal::hidden("non-empty")) } else { Ok(()) }
}

/// Something that age decrypts with.
#[cfg(feature = "age")]
pub(super) fn age_identity(text: &str) -> Result<(), Refusal> {
    let identities = super::secret_file::identities(&secrecy::SecretString::from(text));
    identities.map(drop).map_err(|_| Refusal::hidden("what age-keygen makes (AGE-SECRET-KEY-1…)"))
}

/// What the store can connect to. Its words on what is wrong hold no part of the text.
pub(super) fn database_url(text: &str) -> Result<(), Refusal> {
    let parsed = text.parse::<DatabaseUrl>();
    parsed.map(drop).map_err(|error| Refusal::hidden(format!("one that can be used: {error}")))
}

/// When an account is synced.
pub(super) fn schedule(text: &str) -> Result<Schedule, Refusal> {
    text.parse().map_err(|error: InvalidSchedule| Refusal::new(error.to_string()))
}

/// Where to listen.
pub(super) fn address(text: &str) -> Result<SocketAddr, Refusal> {
    text.parse().map_err(|_| Refusal::new("an address and a port, such as 127.0.0.1:8090 or [::1]:8090"))
}

/// Long enough that it cannot be guessed over the network.
pub(super) fn api_token(text: &str) -> Result<(), Refusal> {
    let fits = (MIN_TOKEN_BYTES..=MAX_TOKEN_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    let allowed = "16 to 512 letters, digits or signs of ASCII, without spaces";
    if fits { Ok(()) } else { Err(Refusal::hidden(allowed)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_visible_ascii() {
        for text in ["default", "acme-eu_1", "a", &"x".repeat(128)] {
            assert_eq!(account(text), Ok(AccountId::from(text)));
        }
        for text in ["", " ", "a b", "a\nb", "é", &"x".repeat(129)] {
            assert!(account(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn emails_hold_no_colon_and_no_control_character() {
        for text in ["ann@example.com", "ann", "jürgen@example.com"] {
            assert_eq!(email(text), Ok(text.to_owned()));
        }
        for text in ["", "  ", "a:b@example.com", "ann@example.com\n", &"x".repeat(255)] {
            assert!(email(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn database_urls_are_of_either_form_and_never_repeated() {
        for text in [
            "postgresql://ann:pw@db.example.com:5432/ads",
            "postgres:///ads?host=/run/postgresql",
            "host=/run/postgresql dbname=ads",
        ] {
            assert_eq!(database_url(text), Ok(()), "{text}");
        }
        for text in ["", " ", "mysql://ann:pw@host/ads", "ads", "host=a password=two words"] {
            assert!(database_url(text).is_err_and(|refusal| refusal.hide), "{text}");
        }
    }
}
