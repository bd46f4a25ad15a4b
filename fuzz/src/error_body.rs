//! An answer that is no success: what is said about it is short, fits a terminal, and gives no secret away in whatever
//! spelling the platform echoes it. The input's first line is the status, the rest is the body; in it, `{{password}}`,
//! `{{token}}` and `{{basic}}` stand for the secrets, and a spelling may be named as in `{{password:json}}`.

use std::sync::LazyLock;

use actors::ports::PlatformError;
use campaign_sync::platform::fuzzing;

use super::printable::{MESSAGE, assert_printable};

const SECRETS: [(&str, &str); 3] = [
    ("password", "pä\"ss/wörd\\🦀"),
    ("token", "eyJhbGciOi.J9/abc+def=="),
    ("basic", "YW5uQGV4YW1wbGUuY29tOnA/"),
];
/// What a place says of the spelling, and how a platform comes to it.
type Spelling = (&'static str, fn(&str) -> String);

const SPELLINGS: [Spelling; 5] = [
    ("", str::to_owned),
    (":json", |secret| quoted(secret, |c| matches!(c, '"' | '\\').then(|| format!("\\{c}")))),
    (":slash", |secret| quoted(secret, |c| matches!(c, '"' | '\\' | '/').then(|| format!("\\{c}")))),
    (":ascii", |secret| {
        quoted(secret, |c| match c {
            '"' | '\\' => Some(format!("\\{c}")),
            c if c.is_ascii() => None,
            c => Some(escaped(c)),
        })
    }),
    (":escaped", |secret| quoted(secret, |c| Some(escaped(c).to_uppercase().replace("\\U", "\\u")))),
];

/// What stands for each secret in each spelling, and what it stands for.
static SPELT: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let all = SECRETS.iter().flat_map(|secret| SPELLINGS.iter().map(move |spelling| (secret, spelling)));
    all.map(|((name, secret), (how, spell))| (format!("{{{{{name}{how}}}}}"), spell(secret))).collect()
});

/// Asserts it of one answer.
pub fn holds(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let status =
        std::str::from_utf8(&input[..end]).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(500);
    let template = String::from_utf8_lossy(input.get(end + 1..).unwrap_or_default());
    let body = SPELT.iter().fold(template.into_owned(), |body, (place, secret)| body.replace(place, secret));
    let secrets = SECRETS.map(|(_, secret)| secret);
    let mut messages = vec![fuzzing::unpromised(&body, body.as_bytes(), &secrets)];
    match fuzzing::refusal(status, &[], body.as_bytes(), &secrets) {
        PlatformError::Throttled { .. } => {}
        error => {
            messages.push(error.to_string());
            assert!(!SECRETS.iter().any(|(_, secret)| format!("{error:?}").contains(secret)), "{error:?}");
        }
    }
    for message in messages {
        assert_printable(&message, MESSAGE);
        for (place, secret) in SPELT.iter() {
            assert!(!message.contains(secret), "{place} is shown: {message}");
        }
    }
}

fn quoted(secret: &str, escape: impl Fn(char) -> Option<String>) -> String {
    secret.chars().map(|c| escape(c).unwrap_or_else(|| c.to_string())).collect()
}

fn escaped(c: char) -> String {
    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}
