//! The settings of `serve`: those of `run` for each account, and what there is of the service.

use std::num::NonZeroUsize;

use url::Url;
use uuid::Uuid;

use super::account::accounts;
use super::environment::Environment;
use super::listener::{Listener, listener};
use super::problem::InvalidConfig;
use super::reader::Reader;
use super::{
    AccountConfig, DatabaseConfig, LogConfig, authorities, database, log, max_in_flight, otlp_endpoint,
    report, setting, text,
};
use crate::cli::ServeArgs;
use crate::rotating_secret::RotatingSecret;
use crate::tls::Authorities;

/// What `serve` needs.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// The accounts to sync, at least one, each id once; in the order of the file.
    pub accounts: Vec<AccountConfig>,
    /// Authorities of one's own, which are believed beside the system's.
    pub authorities: Authorities,
    /// Requests of all accounts together that are under way at once, 1 to 10,000.
    pub max_in_flight: NonZeroUsize,
    /// Where HTTP is served.
    pub listener: Listener,
    /// What an operator has to know to change something over HTTP; none: nothing can be changed.
    pub api_token: Option<RotatingSecret>,
    /// Where the rows are.
    pub database: DatabaseConfig,
    /// What standard error gets.
    pub log: LogConfig,
    /// The base URL of the collector that gets the traces; none: nobody gets any.
    pub otlp_endpoint: Option<Url>,
    /// Whether to apply the migrations first.
    pub migrate: bool,
}

impl ServeConfig {
    /// Checks everything, sends nothing.
    pub fn load(args: &ServeArgs, environment: &Environment) -> Result<Self, InvalidConfig> {
        let mut reader = Reader::with_file(environment, args.file.config.as_deref());
        let schedule = args.schedule.as_deref();
        let accounts = accounts(&mut reader, &args.platform, &args.pipeline, schedule, |pipeline| pipeline);
        let authorities = authorities(&mut reader, args.platform.ca_file.as_deref());
        let max_in_flight = max_in_flight(&mut reader, args.max_in_flight.as_deref());
        let listener = listener(&mut reader, &args.listen);
        let api_token = api_token(&mut reader);
        let database = database(&mut reader, args.database.database_url.as_deref());
        // Not needed here, but `run` would trip over it.
        let _ = report(&mut reader, None);
        let log = log(&mut reader, &args.log);
        let otlp_endpoint = otlp_endpoint(&mut reader, &args.traces);
        let migrate = !args.no_migrate;
        let config = || {
            Some(Self {
                accounts: accounts?,
                authorities,
                max_in_flight: max_in_flight?,
                listener: listener?,
                api_token,
                database,
                log: log?,
                otlp_endpoint,
                migrate,
            })
        };
        let config = config();
        reader.finish(config)
    }
}

impl ServeConfig {
    /// Another one where a setting of an account is another, or the accounts are, or where it listens, whom it believes, how much it
    /// sends at once, where the rows are, or whether there are operators; the same in every process of this version. No
    /// secret goes into it, so none can be guessed from it, and a new password does not change it.
    pub fn fingerprint(&self) -> String {
        let url = self.database.url.as_ref();
        let database = url.map(|url| (url.to_string(), url.described_encryption()));
        let listener = (self.listener.address, self.listener.tls.is_some());
        let of_service =
            (listener, &self.authorities, self.max_in_flight, database, self.api_token.is_some());
        // Debug shows every value but the secrets.
        let settings = format!("{:?} {of_service:?}", self.accounts);
        Uuid::new_v5(&Uuid::nil(), settings.as_bytes()).to_string()
    }
}

pub(super) fn api_token(reader: &mut Reader<'_>) -> Option<RotatingSecret> {
    reader.optional_secret(&setting::API_TOKEN, None, text::api_token)
}
