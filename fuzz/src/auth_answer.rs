//! The answer to a login: a token that fits a header and a life within bounds, or an error; and nothing that can be
//! printed holds the token.

use std::time::Duration;

use campaign_sync::platform::fuzzing;
use secrecy::ExposeSecret;

use super::json;

const MAX_TOKEN_BYTES: usize = 7 * 1024;
const LIVES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30 * 86_400));
/// All that an error may say, as it must quote nothing.
const ERRORS: [&str; 7] = [
    "not a JSON object in UTF-8",
    "not a JSON object",
    "`access_token` is missing",
    "`access_token` is not a string",
    "`access_token` is empty",
    "`access_token` does not fit a header",
    "`expires_in` is not a positive number of seconds",
];

/// Asserts it of one answer.
pub fn holds(body: &[u8]) {
    let written = json::valid(body).and_then(json::members);
    let field = |name| written.as_ref().and_then(|fields| json::only(fields, name));
    match fuzzing::login(body) {
        Ok(login) => {
            let token = login.token.expose_secret();
            assert_eq!(field("access_token").and_then(json::string).as_deref(), Some(token));
            assert!((1..=MAX_TOKEN_BYTES).contains(&token.len()));
            assert!(token.bytes().all(|byte| byte.is_ascii_graphic()), "it would not fit a header");
            assert!(login.expires_in >= LIVES.0 && login.expires_in <= LIVES.1, "{:?}", login.expires_in);
            match field("expires_in").map(|life| (life, life.parse::<u64>())) {
                None => assert_eq!(login.expires_in, Duration::from_secs(3600)),
                Some((life, Ok(seconds))) => {
                    assert!(seconds > 0, "a life of {life}");
                    assert_eq!(login.expires_in, Duration::from_secs(seconds).min(LIVES.1));
                }
                Some((life, Err(_))) => {
                    assert!(!life.starts_with('-') && !life.starts_with("\"-"), "a life of {life}")
                }
            }
            let shown = format!("{login:?}");
            let hidden =
                format!("Login {{ token: SecretBox<str>([REDACTED]), expires_in: {:?} }}", login.expires_in);
            assert_eq!(shown, hidden, "it shows nothing of the token");
        }
        Err(error) => {
            let at_most = error.split_once(" (line ").map_or(&*error, |(says, place)| {
                let place = place.trim_end_matches(')').replace(", column ", "");
                assert!(place.bytes().all(|byte| byte.is_ascii_digit()), "{error}");
                says
            });
            assert!(ERRORS.contains(&at_most), "an error that may quote the body: {error}");
        }
    }
}
