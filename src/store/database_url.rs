//! Which database, as the user named it. Promises that the password is never printed.

mod libpq_text;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use secrecy::ExposeSecret;
use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, SslNegotiation};
use tracing::warn;

use self::libpq_text::take_out;
use super::encryption::{self, Encryption};
use crate::rotating_secret::RotatingSecret;

/// PostgreSQL's own default.
const DEFAULT_PORT: u16 = 5432;
/// Where Debian's and Red Hat's servers listen; elsewhere it is `/tmp`.
const DEFAULT_SOCKET_DIRECTORY: &str = "/var/run/postgresql";
/// One attempt to reach one address, where the URL does not say: a server that lives answers a handshake at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection whose other end vanished is noticed within about a minute instead of two hours.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;
/// Likewise while something that was sent is not acknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Options of libpq that the driver does not know. Only these are named in an error: an option that nobody
/// knows may be a piece of a password that was not percent-encoded.
const UNSUPPORTED: [&str; 18] = [
    "client_encoding",
    "fallback_application_name",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcertmode",
    "sslcrl",
    "sslcrldir",
    "sslpassword",
    "sslsni",
];

/// A database to connect to: a libpq URL (`postgresql://user:password@host:port/dbname?option=value`) or libpq's
/// key/value form (`host=… port=… user=… dbname=…`). A host that begins with `/` is the directory of a unix
/// socket; without a host, the local server's usual socket is taken.
///
/// `sslmode`, `sslrootcert`, `sslcert` and `sslkey` mean what they mean to libpq, also where that is little: without any,
/// TLS is spoken with a server that offers it, whoever it is. On a unix socket there is none.
///
/// `Display` and `Debug` name the database without the password.
#[derive(Clone)]
pub struct DatabaseUrl {
    config: Config,
    encryption: Encryption,
    /// None: it stays as it is.
    text: Option<RotatingSecret>,
}

/// Why a text names no database. Never repeats a part that could be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidDatabaseUrl {
    /// Neither of the two forms.
    #[error(
        "not a libpq URL (postgresql://user:password@host:port/dbname) nor of the key/value form \
         (host=… user=… dbname=…); special characters in a URL's password or options must be percent-encoded, \
         and a value with spaces stands in single quotes"
    )]
    Malformed,
    /// An option has a value that it cannot have.
    #[error("{0}")]
    InvalidOption(String),
    /// An option of libpq that is not supported here.
    #[error("the option `{0}` is not supported; leave it out")]
    UnsupportedOption(&'static str),
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        if text.trim().is_empty() {
            return Err(InvalidDatabaseUrl::Malformed);
        }
        let taken = take_out(text, &encryption::OPTIONS).ok_or(InvalidDatabaseUrl::Malformed)?;
        let config = taken.rest.parse::<Config>().map_err(|error| explain(&error))?;
        if text.contains("://") && config_holds_at(&config) {
            return Err(InvalidDatabaseUrl::Malformed);
        }
        if !config.get_hostaddrs().is_empty()
            && config.get_hosts().iter().any(|host| matches!(host, Host::Unix(_)))
        {
            let why = "a host that is a socket's directory has no hostaddr; leave one of the two out";
            return Err(InvalidDatabaseUrl::InvalidOption(why.to_owned()));
        }
        let encryption = Encryption::of(|option| taken.value(option))?;
        if config.get_ssl_negotiation() == SslNegotiation::Direct && encryption.demanded != SslMode::Require {
            let why = "sslnegotiation=direct needs sslmode=require, verify-ca or verify-full";
            return Err(InvalidDatabaseUrl::InvalidOption(why.to_owned()));
        }
        Ok(Self::new(config, encryption))
    }
}

/// A URL's user and password end at the first `@`. One that follows in the host or the database's name, which are
/// printed, means that the password held the first and that its rest is there.
fn config_holds_at(config: &Config) -> bool {
    let in_host = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
    config.get_hosts().iter().any(in_host) || config.get_dbname().is_some_and(|name| name.contains('@'))
}

fn explain(error: &tokio_postgres::Error) -> InvalidDatabaseUrl {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    if cause.starts_with("invalid value for option") {
        return InvalidDatabaseUrl::InvalidOption(cause);
    }
    match UNSUPPORTED.iter().find(|option| cause == format!("unknown option `{option}`")) {
        Some(option) => InvalidDatabaseUrl::UnsupportedOption(option),
        None => InvalidDatabaseUrl::Malformed,
    }
}

impl From<Config> for DatabaseUrl {
    fn from(config: Config) -> Self {
        Self::new(config, Encryption::preferred())
    }
}

impl DatabaseUrl {
    fn new(mut config: Config, encryption: Encryption) -> Self {
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            let debian = Path::new(DEFAULT_SOCKET_DIRECTORY);
            config.host_path(if debian.exists() { debian } else { Path::new("/tmp") });
        }
        if config.get_application_name().is_none() {
            config.application_name(env!("CARGO_PKG_NAME"));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_idle(KEEPALIVE_IDLE);
            config.keepalives_interval(KEEPALIVE_INTERVAL);
            config.keepalives_retries(KEEPALIVE_RETRIES);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNACKNOWLEDGED);
        }
        if config.get_hosts().is_empty() {
            // The driver wants a name to check a certificate by, even where that is not checked.
            for address in config.get_hostaddrs().to_vec() {
                config.host(address.to_string());
            }
        }
        // Where there is an address, it is dialled, and not the socket.
        let only_sockets = config.get_hostaddrs().is_empty()
            && config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        config.ssl_mode(if only_sockets { SslMode::Disable } else { encryption.demanded });
        Self { config, encryption, text: None }
    }

    /// What the driver connects with.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// How what it connects is encrypted. Where nothing is, no file need be there.
    pub(super) fn encryption_used(&self) -> Encryption {
        match self.config.get_ssl_mode() {
            SslMode::Disable => Encryption::preferred(),
            _ => self.encryption.clone(),
        }
    }

    /// The database's name; where none is given, it is the user's.
    pub fn dbname(&self) -> Option<&str> {
        self.config.get_dbname().or(self.config.get_user())
    }

    /// The same server and user, another database.
    pub fn with_dbname(&self, dbname: &str) -> Self {
        let mut config = self.config.clone();
        config.dbname(dbname);
        Self { config, encryption: self.encryption.clone(), text: None }
    }

    /// Its password may be replaced where this text, which it was read from, is read again.
    pub fn read_again_from(self, text: RotatingSecret) -> Self {
        Self { text: Some(text), ..self }
    }

    /// Whether nothing but the password is another one.
    pub fn is_the_same_but_for_its_password(&self, other: &Self) -> bool {
        let without = |url: &Self| url.config.clone().password("").clone();
        without(self) == without(other) && self.encryption == other.encryption
    }

    /// From now on its text is that of this one, for all clones.
    pub fn replace_text(&self, by: &Self) {
        if let (Some(text), Some(new)) = (&self.text, &by.text) {
            text.replace(new.newest());
        }
    }

    /// With the password that was read last. What else has changed in the text is another database, and counts only after a
    /// restart: nobody works on two at once.
    pub(super) fn newest(&self) -> Self {
        let newest = self.text.as_ref().and_then(|text| text.newest().expose_secret().parse::<Self>().ok());
        match newest {
            Some(newest) if self.is_the_same_but_for_its_password(&newest) => {
                Self { text: self.text.clone(), ..newest }
            }
            _ => self.clone(),
        }
    }

    /// After this one's password was refused: the one that has taken its place where the text comes from, if there is one.
    pub(super) async fn after_refusal(&self) -> Option<Self> {
        let text = self.text.as_ref()?;
        if let Err(why) = text.after(&text.newest()).await {
            warn!(database = %self, why, "the password was refused, and its source cannot be read again");
        }
        let newest = self.newest();
        (newest.config.get_password() != self.config.get_password()).then_some(newest)
    }

    /// Whether it says itself in which schemas to look (`options=-csearch_path=ads`), in any of the server's spellings.
    pub(super) fn has_search_path(&self) -> bool {
        self.config.get_options().is_some_and(sets_search_path)
    }

    /// How connections are encrypted and the server is known, with the names of the files: no secret is in it.
    pub(crate) fn described_encryption(&self) -> String {
        format!("{:?}", self.encryption)
    }

    fn server(&self) -> String {
        let hosts = self.config.get_hosts();
        let addresses = self.config.get_hostaddrs();
        let ports = self.config.get_ports();
        let place = |index: usize| {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
            match (hosts.get(index), addresses.get(index)) {
                (Some(Host::Unix(directory)), _) => format!("{}/.s.PGSQL.{port}", directory.display()),
                (Some(Host::Tcp(host)), _) => format!("{host}:{port}"),
                (None, Some(address)) => format!("{address}:{port}"),
                (None, None) => unreachable!("asked for as many places as there are"),
            }
        };
        (0..hosts.len().max(addresses.len())).map(place).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
impl PartialEq for DatabaseUrl {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config && self.encryption == other.encryption
    }
}

/// Whether `-c NAME=VALUE`, `-cNAME=VALUE` or `--NAME=VALUE` stands among the options. Of a name the case does not count, and `-` is
/// as good as `_`.
fn sets_search_path(options: &str) -> bool {
    let words = option_words(options);
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") if word == "-c" => words.next().unwrap_or_default(),
            Some(setting) => setting,
            None => continue,
        };
        let name = setting.split('=').next().unwrap_or_default();
        if name.replace('-', "_").eq_ignore_ascii_case("search_path") {
            return true;
        }
    }
    false
}

/// As the server splits them: at white space, but for what follows a backslash.
fn option_words(options: &str) -> Vec<String> {
    let (mut words, mut word) = (vec![], String::new());
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.extend(characters.next()),
            space if space.is_ascii_whitespace() => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// For example: `database "ads" at db.example:5432 as user "sync"`.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dbname() {
            Some(dbname) => write!(f, "database \"{dbname}\" at {}", self.server())?,
            None => write!(f, "the default database at {}", self.server())?,
        }
        match self.config.get_user() {
            Some(user) => write!(f, " as user \"{user}\""),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> DatabaseUrl {
        text.parse().expect("a database URL")
    }

    #[test]
    fn every_form_is_described_without_its_password() {
        for (text, described) in [
            (
                "postgresql://bob:hunter2@db.example:5433/ads",
                r#"database "ads" at db.example:5433 as user "bob""#,
            ),
            (
                "host=/run/pg user=bob password='hunter2' dbname=ads",
                r#"database "ads" at /run/pg/.s.PGSQL.5432 as user "bob""#,
            ),
            (
                "postgres:///ads?host=/run/pg&port=99&user=bob&password=hunter2",
                r#"database "ads" at /run/pg/.s.PGSQL.99 as user "bob""#,
            ),
            ("postgres://bob:hunter2@a:1,b:2/ads", r#"database "ads" at a:1, b:2 as user "bob""#),
            ("host=a,b password=hunter2 user=bob", r#"database "bob" at a:5432, b:5432 as user "bob""#),
            ("hostaddr=127.0.0.1 password=hunter2", "the default database at 127.0.0.1:5432"),
        ] {
            let url = parsed(text);
            assert_eq!(url.to_string(), described);
            assert!(!format!("{url:?}").contains("hunter2"));
        }
    }

    #[test]
    fn without_a_host_the_local_socket_is_taken() {
        assert!(parsed("dbname=ads").to_string().contains("/.s.PGSQL.5432"));
    }

    #[test]
    fn a_socket_is_not_encrypted_whatever_is_demanded() {
        for (text, mode) in [
            ("host=/run/pg sslmode=verify-full", SslMode::Disable),
            ("sslmode=require", SslMode::Disable),
            ("host=db", SslMode::Prefer),
            ("host=db sslmode=disable", SslMode::Disable),
            ("postgres://db/ads?sslmode=verify-full", SslMode::Require),
            ("host=/run/pg,db sslmode=require", SslMode::Require),
            ("hostaddr=10.0.0.5 sslmode=require", SslMode::Require),
        ] {
            assert_eq!(parsed(text).config().get_ssl_mode(), mode, "{text}");
        }
        assert_eq!(parsed("host=/run/pg sslmode=verify-full").encryption_used(), Encryption::preferred());
    }

    #[test]
    fn what_would_silently_not_be_encrypted_is_refused() {
        for (text, says) in [
            ("host=/run/pg hostaddr=10.0.0.5 sslmode=verify-full", "leave one of the two out"),
            ("host=/run/pg,db hostaddr=10.0.0.5,10.0.0.6", "leave one of the two out"),
            ("postgres://u:hunter2@db/ads?sslnegotiation=direct", "needs sslmode=require"),
            ("host=db sslmode=disable sslnegotiation=direct", "needs sslmode=require"),
        ] {
            let error = text.parse::<DatabaseUrl>().expect_err("it is refused").to_string();
            assert!(error.contains(says) && !error.contains("hunter2"), "{text}: {error}");
        }
        assert!("host=db sslmode=require sslnegotiation=direct".parse::<DatabaseUrl>().is_ok());
    }

    #[test]
    fn only_its_password_is_taken_from_a_text_that_has_changed() {
        let text = |text: &str| RotatingSecret::from(text);
        let old =
            parsed("postgres://bob:hunter1@db/ads").read_again_from(text("postgres://bob:hunter2@db/ads"));
        assert_eq!(old.newest().config().get_password(), Some(&b"hunter2"[..]));
        for other in [
            "postgres://bob:hunter2@elsewhere/ads",
            "postgres://ann:hunter2@db/ads",
            "postgres://bob:hunter2@db/other",
            "postgres://bob:hunter2@db/ads?sslmode=disable",
            "nonsense",
        ] {
            let old = parsed("postgres://bob:hunter1@db/ads").read_again_from(text(other));
            assert_eq!(old.newest().config().get_password(), Some(&b"hunter1"[..]), "{other}");
        }
    }

    #[test]
    fn two_urls_that_differ_in_their_encryption_are_not_the_same() {
        let url = parsed("host=db sslmode=require");
        assert_ne!(url, parsed("host=db sslmode=require sslrootcert=/ca.pem"));
        assert_eq!(url.with_dbname("x"), parsed("host=db dbname=x sslmode=require"));
    }

    #[test]
    fn an_error_repeats_nothing_that_could_be_a_secret() {
        for text in [
            "postgres://db/ads?hunter2=x",
            "postgres://bob:secret@hunter2@db/ads",
            "postgresql://bob:secret@db/hunter2@db/ads",
            "host=db password=hunter2 hunter2 user=bob",
            "host=db sslmode=hunter2",
            "host=db sslmode='hunter2",
            "postgres://db/ads?sslrootcert=/a@hunter2",
            "postgres://bob:x?sslmode=hunter2@db/ads",
            "hunter2",
            "",
        ] {
            let error = text.parse::<DatabaseUrl>().expect_err("no database URL");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn a_search_path_is_seen_in_each_of_the_servers_spellings_and_nowhere_else() {
        for (options, has) in [
            ("-csearch_path=ads", true),
            ("-c search_path=ads", true),
            ("--search_path=ads", true),
            ("--search-path=ads", true),
            ("-cSEARCH_PATH=ads", true),
            ("-c Search-Path=ads,public", true),
            ("-c jit=off -c search_path=ads", true),
            (r"-csearch_path=ads,\ public", true),
            ("-c", false),
            ("", false),
            ("-c jit=off", false),
            ("-capplication_name=search_path", false),
            (r"-capplication_name=a\ -csearch_path=b", false),
            ("-c application_name=--search_path=b", false),
            ("-csearch_path_of_mine=b", false),
        ] {
            let mut config = Config::new();
            config.options(options);
            assert_eq!(DatabaseUrl::from(config).has_search_path(), has, "{options}");
        }
        assert!(!parsed("host=db").has_search_path());
    }

    #[test]
    fn a_wrong_option_is_named() {
        let error = "host=db port=many".parse::<DatabaseUrl>().expect_err("no port");
        assert_eq!(error.to_string(), "invalid value for option `port`");
        let error = "host=db sslpassword=x".parse::<DatabaseUrl>().expect_err("not supported");
        assert_eq!(error.to_string(), "the option `sslpassword` is not supported; leave it out");
        let error = "host=db sslmode=allow".parse::<DatabaseUrl>().expect_err("not supported");
        assert_eq!(error.to_string(), "sslmode=allow is not supported; use sslmode=prefer");
    }

    proptest! {
        #[test]
        fn whatever_the_text_neither_an_error_nor_a_description_repeats_the_password(
            before in "(postgres://bob:|password=|password='|host=db user=bob password=)",
            after in "(@db/ads|'| |[?&]|sslmode=[a-z-]{0,11}|sslrootcert=[a-z/@]{0,8}|[a-z]+=|[%=@/]){0,6}",
        ) {
            let text = format!("{before}hunter2{after}");
            match text.parse::<DatabaseUrl>() {
                Ok(url) => prop_assert!(!format!("{url} {url:?}").contains("hunter2"), "{} -> {}", text, url),
                Err(error) => {
                    prop_assert!(!format!("{error} {error:?}").contains("hunter2"), "{} -> {}", text, error);
                }
            }
        }
    }
}
