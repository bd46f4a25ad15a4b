//! What went wrong in PostgreSQL -> what a caller can do about it, and what a person should do.

use std::error::Error;
use std::fmt::Display;
use std::io;

use actors::ports::StoreError;
use tokio_postgres::error::{DbError, SqlState};

use super::database_url::DatabaseUrl;
use super::encryption::{UnusableEncryption, WAYS};
use crate::tls;

/// A server's message may repeat the value that it refuses; a person needs its beginning.
const MAX_MESSAGE_CHARS: usize = 500;

/// Classifies a failure of the driver or the server. `doing` completes "cannot … (database)", for
/// example `store a batch in`.
pub(super) fn explain(database: &DatabaseUrl, doing: &str, error: &tokio_postgres::Error) -> StoreError {
    match error.as_db_error() {
        Some(refusal) => explain_answer(database, doing, refusal),
        None => explain_transport(database, doing, error),
    }
}

/// Something did not end within its bound.
pub(super) fn timed_out(database: &DatabaseUrl, doing: &str, seconds: u64) -> StoreError {
    StoreError::Unavailable(sentence(database, doing, format!("no answer within {seconds} s"), REACHABLE))
}

/// All connections of the pool were in use for longer than a call waits.
pub(super) fn busy(database: &DatabaseUrl, doing: &str, connections: u32, seconds: u64) -> StoreError {
    let cause = format!("all {connections} connections were in use for {seconds} s");
    StoreError::Unavailable(sentence(database, doing, &cause, "see pg_stat_activity for what they do"))
}

/// The account is not this process's any more.
pub(super) fn taken_over(database: &DatabaseUrl, doing: &str, cause: &str) -> StoreError {
    StoreError::Broken(sentence(
        database,
        doing,
        cause,
        "leave the rest to whoever has it, or start a new run",
    ))
}

/// The state of the database is one that someone has to change.
pub(super) fn broken(database: &DatabaseUrl, doing: &str, cause: &str, advice: &str) -> StoreError {
    StoreError::Broken(sentence(database, doing, cause, advice))
}

/// What is needed for encryption cannot be had here.
pub(super) fn unusable(database: &DatabaseUrl, doing: &str, cause: &UnusableEncryption) -> StoreError {
    StoreError::Broken(sentence(database, doing, cause, ""))
}

/// Tables are not there although the migrations that make them are applied.
pub(super) fn lost(database: &DatabaseUrl, tables: &str) -> StoreError {
    broken(database, "use", &format!("its migrations are applied, but {tables} is not there"), LOST)
}

/// Every command looks at the schema first, so what is missing later was there.
const LOST: &str = "it was there before, so somebody has removed it: restore it from a backup, because \
                    `campaign-sync migrate` does not make again what it has made once";
const NO_TLS: &str = "switch it on there (ssl = on), or set sslmode=disable in the database URL if the way to it is trusted, \
                      such as an encrypted tunnel";
/// Of a right that the program needs at work, or of one that only an owner has.
const NO_RIGHT: &str = "grant the user this right: run deploy/roles.sql again as the owner of the tables \
                        (`campaign-sync check` names all that is missing), or use the owner for what only the owner may";
/// No campaign's fault, so no batch is halved to find one.
const AUDITED: &str = "the audit log has a constraint that is not campaign-sync's: remove it";
const REACHABLE: &str = "check that the server runs and can be reached from here";

fn sentence(database: &DatabaseUrl, doing: &str, cause: impl Display, advice: &str) -> String {
    match advice {
        "" => format!("cannot {doing} {database}: {cause}"),
        advice => format!("cannot {doing} {database}: {cause}; {advice}"),
    }
}

enum Kind {
    Unavailable,
    Refused,
    Broken,
}

fn explain_answer(database: &DatabaseUrl, doing: &str, refusal: &DbError) -> StoreError {
    let (kind, advice) = match classify(refusal.code()) {
        (Kind::Refused, _) if refusal.table() == Some("audit_log") => (Kind::Broken, AUDITED),
        // Stored twice in one microsecond: the repetition has another time.
        (Kind::Refused, _) if refusal.constraint() == Some("campaign_history_pkey") => {
            (Kind::Unavailable, "")
        }
        classified => classified,
    };
    let mut cause = refusal.message().to_owned();
    if let Some(detail) = refusal.detail() {
        cause = format!("{cause} ({detail})");
    }
    if cause.chars().count() > MAX_MESSAGE_CHARS {
        cause = cause.chars().take(MAX_MESSAGE_CHARS).chain(['…']).collect();
    }
    let message = sentence(database, doing, cause, advice);
    match kind {
        Kind::Unavailable => StoreError::Unavailable(message),
        Kind::Refused => StoreError::Refused(message),
        Kind::Broken => StoreError::Broken(message),
    }
}

/// By SQLSTATE; its first two characters are its class.
fn classify(state: &SqlState) -> (Kind, &'static str) {
    match state.code() {
        "28P01" => (Kind::Broken, "correct the user or the password in the database URL"),
        // An unknown user, or the server's rules (pg_hba.conf): for this address, without TLS, without a certificate.
        "28000" => (
            Kind::Broken,
            "correct in the database URL the user, or how it comes: encrypted or not (sslmode), or with a certificate (sslcert \
             and sslkey)",
        ),
        "3D000" => (Kind::Broken, "create the database or correct its name in the database URL"),
        "42P01" | "42703" | "3F000" => (Kind::Broken, LOST),
        "42501" => (Kind::Broken, NO_RIGHT),
        // Waited for: what filled it is often gone by itself, like another query's temporary files or a log that is
        // archived, and a batch that is kept costs less than a run that is begun again.
        "53100" => (Kind::Unavailable, "the server's disk is full: free space on it"),
        "53000" | "53200" => {
            (Kind::Unavailable, "the server is short of memory or files; take load off it or give it more")
        }
        "25006" => (
            Kind::Unavailable,
            "the server takes no writes (a standby, or one that was failed over); point the database URL at the primary",
        ),
        "53300" => {
            (Kind::Unavailable, "the server has no connection left; close some or raise max_connections")
        }
        "57P01" | "57P02" | "57P03" | "57P05" => (Kind::Unavailable, "the server is stopping or starting"),
        "57014" | "55P03" => (Kind::Unavailable, "something else holds what is needed; see pg_stat_activity"),
        "25P03" => (Kind::Unavailable, ""),
        // Of statements that are sent together: an earlier one has failed, and the repetition meets with the cause.
        "25P02" => (Kind::Unavailable, ""),
        code => match &code[..2] {
            "08" | "40" | "53" => (Kind::Unavailable, ""),
            "21" | "22" | "23" | "54" => (Kind::Refused, ""),
            _ => (Kind::Broken, ""),
        },
    }
}

/// The driver's errors name no kind that could be matched on, but they have their words.
pub(super) fn is_of_the_handshake(error: &tokio_postgres::Error) -> bool {
    error.to_string().starts_with("error performing TLS handshake")
}

/// As above; where there is a source, it tells.
fn explain_transport(database: &DatabaseUrl, doing: &str, error: &tokio_postgres::Error) -> StoreError {
    if let Some(cause) = tls::cause(error) {
        let message = sentence(database, doing, tls::explain(cause, &WAYS), "");
        // Someone has to act.
        return if tls::is_final(cause) {
            StoreError::Broken(message)
        } else {
            StoreError::Unavailable(message)
        };
    }
    if is_of_the_handshake(error)
        && error.source().is_some_and(|source| source.to_string() == "server does not support TLS")
    {
        return StoreError::Broken(sentence(database, doing, "the server offers no TLS", NO_TLS));
    }
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    if let Some(io) = io.filter(|io| io.kind() != io::ErrorKind::InvalidInput) {
        let cause = match io.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            io::ErrorKind::NotFound => "no server listens on this socket".to_owned(),
            io::ErrorKind::TimedOut => "no answer in time".to_owned(),
            _ => io.to_string(),
        };
        return StoreError::Unavailable(sentence(database, doing, cause, REACHABLE));
    }
    if error.is_closed() || error.source().is_none() {
        return StoreError::Unavailable(sentence(database, doing, error, REACHABLE));
    }
    let cause = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    let message = sentence(database, doing, &cause, "");
    // A value that does not fit the wire format is this batch's fault, and everything else is not.
    if io.is_some() || cause.starts_with("error serializing parameter") {
        StoreError::Refused(message)
    } else {
        StoreError::Broken(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_classified_by_what_a_caller_can_do_and_says_what_a_person_can() {
        for (code, kind, advice) in [
            ("08006", 'u', ""),
            ("25P02", 'u', ""),
            ("40001", 'u', ""),
            ("40P01", 'u', ""),
            ("57P01", 'u', "stopping or starting"),
            ("57P02", 'u', "stopping or starting"),
            ("57P03", 'u', "stopping or starting"),
            ("55P03", 'u', "pg_stat_activity"),
            ("57014", 'u', "pg_stat_activity"),
            ("25006", 'u', "point the database URL at the primary"),
            ("53000", 'u', "short of memory"),
            ("53100", 'u', "disk is full: free space"),
            ("53200", 'u', "short of memory"),
            ("53300", 'u', "max_connections"),
            ("21000", 'r', ""),
            ("22003", 'r', ""),
            ("22021", 'r', ""),
            ("23502", 'r', ""),
            ("23505", 'r', ""),
            ("23514", 'r', ""),
            ("54000", 'r', ""),
            ("28P01", 'b', "the user or the password"),
            ("28000", 'b', "sslcert and sslkey"),
            ("3D000", 'b', "create the database"),
            ("42501", 'b', "grant"),
            ("42P01", 'b', "restore it from a backup"),
            ("42703", 'b', "restore it from a backup"),
            ("3F000", 'b', "restore it from a backup"),
            ("XX000", 'b', ""),
            ("58030", 'b', ""),
            ("0A000", 'b', ""),
        ] {
            let (found, said) = classify(&SqlState::from_code(code));
            let found = match found {
                Kind::Unavailable => 'u',
                Kind::Refused => 'r',
                Kind::Broken => 'b',
            };
            assert_eq!(found, kind, "{code}");
            assert!(said.contains(advice) && said.is_empty() == advice.is_empty(), "{code}: {said}");
        }
    }
}
