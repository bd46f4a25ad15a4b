//! What the platform says, made fit to be shown: without secrets, without control characters, and short.

/// A message's quotation: enough to recognise an error page by, short enough for a log line.
const SNIPPET_CHARS: usize = 200;

/// The secrets of one request. A platform may echo any of them in an error body.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Each is hidden as it is and as JSON spells it.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut spellings = Vec::new();
        for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
            spellings.push(secret.to_owned());
            let quoted = serde_json::Value::from(secret).to_string();
            spellings.push(quoted[1..quoted.len() - 1].to_owned());
        }
        // The longest first: a secret that contains another is hidden whole.
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        Self(spellings)
    }

    /// Hides the secrets before it cuts, so that no half of one stays.
    pub(super) fn scrub(&self, text: &str) -> String {
        let hidden = self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"));
        snippet(&hidden)
    }
}

/// The beginning of a text, on one line.
pub(super) fn snippet(text: &str) -> String {
    let mut chars = text.trim().chars().map(|c| if c.is_control() || is_format(c) { ' ' } else { c });
    let mut start: String = chars.by_ref().take(SNIPPET_CHARS).collect();
    if chars.next().is_some() {
        start.push('…');
    }
    start
}

/// Marks that turn or hide what a terminal shows.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_even_where_the_text_is_cut_in_its_middle() {
        let secrets = Secrets::new(["s3cr3t-token"]);
        let text = format!("{}s3cr3t-token", "x".repeat(SNIPPET_CHARS - 4));
        assert!(!secrets.scrub(&text).contains("s3"), "{}", secrets.scrub(&text));
    }

    #[test]
    fn a_secret_is_hidden_in_its_json_spelling_too() {
        let secrets = Secrets::new([r#"pass"word""#]);
        assert_eq!(secrets.scrub(r#"{"password":"pass\"word\""}"#), r#"{"password":"[secret]"}"#);
    }

    #[test]
    fn a_secret_that_contains_another_is_hidden_whole() {
        assert_eq!(Secrets::new(["pass", "password"]).scrub("a password"), "a [secret]");
    }

    #[test]
    fn an_empty_secret_hides_nothing() {
        assert_eq!(Secrets::new([""]).scrub("text"), "text");
    }

    #[test]
    fn control_characters_become_spaces_and_long_texts_are_cut() {
        assert_eq!(snippet("a\u{1b}[31m\r\nb\0\u{202e}c"), "a [31m  b  c");
        assert_eq!(snippet(&"é".repeat(1000)).chars().count(), SNIPPET_CHARS + 1);
    }
}
