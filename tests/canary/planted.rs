//! The secrets of one test. No two have anything in common.

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::secret::Secret;

pub(crate) const EMAIL: &str = "ann@example.com";
const TOKENS: usize = 32;

/// See the module.
pub(crate) struct Planted {
    /// Of the login at the platform.
    pub(crate) password: Secret,
    /// Of the database's user; it stands in a file that is encrypted with age.
    pub(crate) database: Secret,
    /// Of operators; a command prints it.
    pub(crate) operator: Secret,
    /// What that command says besides, on standard error.
    pub(crate) aside: Secret,
    /// What the file is decrypted with.
    pub(crate) identity: Secret,
    /// Of the collector of traces.
    pub(crate) collector: Secret,
    /// The platform's, in the order of logins.
    pub(crate) tokens: Vec<Secret>,
}

impl Planted {
    pub(crate) fn new() -> Self {
        let identity = Identity::generate();
        let key = identity.to_string().expose_secret().to_owned();
        let core = key.strip_prefix("AGE-SECRET-KEY-1").unwrap().to_owned();
        Self {
            password: Secret::around("the password", "p/w\"&ö+", "ö/%\"<"),
            database: Secret::around("the database's password", "d/b\"@ö+", ":%?&"),
            operator: Secret::around("the operators' token", "op/", "+=tok"),
            aside: Secret::around("what a command said besides", "aside ", "!"),
            identity: Secret::with_core("the age identity", key, &core),
            collector: Secret::around("the collector's token", "otlp", "/"),
            tokens: (1..=TOKENS)
                .map(|login| Secret::around(&format!("the token of login {login}"), "t/k+", "/="))
                .collect(),
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Secret> {
        let Self { password, database, operator, aside, identity, collector, tokens } = self;
        [password, database, operator, aside, identity, collector].into_iter().chain(tokens)
    }

    /// What the login sends.
    pub(crate) fn basic(&self) -> String {
        BASE64_STANDARD.encode(format!("{EMAIL}:{}", self.password.text))
    }
}
