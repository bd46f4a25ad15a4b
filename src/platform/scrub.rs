//! What the platform says, made fit to be shown: without secrets, without control characters, and short.

use secrecy::{ExposeSecret, SecretString};

/// A message's quotation: enough to recognise an error page by, short enough for a log line.
const SNIPPET_CHARS: usize = 200;
/// Bytes of a secret's beginning by which it could be told; fewer are in many a word.
const TELLING: usize = 4;
/// Stands for a secret.
const HIDDEN: &str = "[secret]";

/// The secrets of one request. A platform may echo any of them in an error body.
pub(super) struct Secrets<'a>(Vec<&'a SecretString>);

impl<'a> Secrets<'a> {
    /// Each is hidden as it is and however JSON, a URL or HTML spells it: platforms write `/` as `\/` or `%2F`, `é` as `\u00e9`
    /// and `"` as `&quot;`.
    pub(super) fn new(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let is_some = |secret: &&SecretString| !secret.expose_secret().is_empty();
        let mut secrets: Vec<_> = secrets.into_iter().filter(is_some).collect();
        // The longest first: a secret that contains another is hidden whole.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        Self(secrets)
    }

    /// Hides the secrets before it cuts, so that no half of one stays. It looks no further than what is shown, as a body
    /// can be as large as a page.
    pub(super) fn scrub(&self, text: &str) -> String {
        let (mut hidden, mut chars) = (String::new(), 0);
        let mut rest = text.trim_start();
        // A space at the end would be trimmed, and with it the sign that there was more.
        while chars <= SNIPPET_CHARS || hidden.ends_with(char::is_whitespace) {
            let Some(first) = rest.chars().next() else { break };
            if self.0.iter().any(|secret| is_cut_off(rest, secret.expose_secret())) {
                hidden.push_str(HIDDEN);
                break;
            }
            if let Some(after) = self.0.iter().find_map(|secret| after(rest, secret.expose_secret())) {
                hidden.push_str(HIDDEN);
                chars += HIDDEN.len();
                rest = after;
            } else {
                hidden.push(first);
                chars += 1;
                rest = &rest[first.len_utf8()..];
            }
        }
        snippet(&hidden)
    }
}

/// Whether the rest of the text is the secret's beginning: an answer that broke off.
fn is_cut_off(rest: &str, secret: &str) -> bool {
    rest.len() >= TELLING && rest.len() < secret.len() && secret.starts_with(rest)
}

/// What follows the secret that the text begins with, as it is or as JSON, HTML or a URL spells it.
fn after<'a>(text: &'a str, secret: &str) -> Option<&'a str> {
    text.strip_prefix(secret)
        .or_else(|| after_spelled(text, secret, unescaped))
        .or_else(|| after_spelled(text, secret, of_html))
        .or_else(|| after_in_url(text, secret))
}

/// The same of a spelling whose next character can be read.
fn after_spelled<'a>(text: &'a str, secret: &str, read: fn(&str) -> Option<(char, &str)>) -> Option<&'a str> {
    secret
        .chars()
        .try_fold(text, |rest, wanted| read(rest).and_then(|(char, rest)| (char == wanted).then_some(rest)))
}

/// The same of a URL or a form, which spells bytes.
fn after_in_url<'a>(text: &'a str, secret: &str) -> Option<&'a str> {
    let rest = secret.bytes().try_fold(text.as_bytes(), |rest, wanted| {
        let (byte, rest) = match rest {
            [b'%', high, low, rest @ ..] => {
                let digits = [*high, *low];
                (u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?, rest)
            }
            [b'+', rest @ ..] if wanted == b' ' => (b' ', rest),
            [byte, rest @ ..] => (*byte, rest),
            [] => return None,
        };
        (byte == wanted).then_some(rest)
    })?;
    text.get(text.len() - rest.len()..)
}

/// The first character of a text of HTML, and the rest.
fn of_html(text: &str) -> Option<(char, &str)> {
    let first = text.chars().next()?;
    let rest = &text[first.len_utf8()..];
    let entity = || {
        // The longest that means a character is `&#x10ffff;`.
        let (end, _) = rest.char_indices().take(9).find(|(_, char)| *char == ';')?;
        let char = match &rest[..end] {
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            "lt" => '<',
            "gt" => '>',
            number => {
                let number = number.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => number.parse(),
                };
                char::from_u32(code.ok()?)?
            }
        };
        Some((char, &rest[end + 1..]))
    };
    let entity = if first == '&' { entity() } else { None };
    Some(entity.unwrap_or((first, rest)))
}

/// The first character of what stands within a JSON string, and the rest.
fn unescaped(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    let char = match chars.next()? {
        '\\' => match chars.next()? {
            'u' => return in_hexadecimal(chars.as_str()),
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            char => char,
        },
        char => char,
    };
    Some((char, chars.as_str()))
}

/// What follows `\u`: four digits, or twice four for a character beyond 16 bits.
fn in_hexadecimal(text: &str) -> Option<(char, &str)> {
    fn unit(text: &str) -> Option<(u16, &str)> {
        let (digits, rest) = text.split_at_checked(4)?;
        Some((u16::from_str_radix(digits, 16).ok()?, rest))
    }
    let (first, rest) = unit(text)?;
    if let Some(char) = char::from_u32(u32::from(first)) {
        return Some((char, rest));
    }
    let (second, rest) = unit(rest.strip_prefix("\\u")?)?;
    Some((char::decode_utf16([first, second]).next()?.ok()?, rest))
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

    /// Scrubs with these.
    struct Hiding(Vec<SecretString>);

    impl Hiding {
        fn scrub(&self, text: &str) -> String {
            Secrets::new(&self.0).scrub(text)
        }
    }

    fn hiding<const N: usize>(secrets: [&str; N]) -> Hiding {
        Hiding(secrets.map(SecretString::from).into())
    }

    #[test]
    fn a_secret_is_hidden_even_where_the_text_is_cut_in_its_middle() {
        let secrets = hiding(["s3cr3t-token"]);
        let text = format!("{}s3cr3t-token", "x".repeat(SNIPPET_CHARS - 4));
        assert!(!secrets.scrub(&text).contains("s3"), "{}", secrets.scrub(&text));
    }

    #[test]
    fn a_secret_is_hidden_in_its_json_spelling_too() {
        let secrets = hiding([r#"pass"word""#]);
        assert_eq!(secrets.scrub(r#"{"password":"pass\"word\""}"#), r#"{"password":"[secret]"}"#);
        let secrets = hiding(["a/ö\n🦀\\"]);
        for spelling in [
            "a/ö\n🦀\\",
            r"a/ö\n🦀\\",
            r"a\/\u00f6\n\ud83e\udd80\\",
            r"\u0061\u002F\u00F6\u000a\uD83E\uDD80\u005c",
        ] {
            assert_eq!(
                secrets.scrub(&format!(r#"{{"password":"{spelling}"}}"#)),
                r#"{"password":"[secret]"}"#
            );
        }
        for other in [r"a\/\u00f", r"a\/\u00f7", r"a/ö\n\ud83e", r"a/ö\n\ud83e\u0041\\", "a\\"] {
            assert_eq!(secrets.scrub(other), other);
        }
    }

    #[test]
    fn a_secret_is_hidden_in_a_url_and_in_html_too() {
        let secrets = hiding(["a/ö \"&'<%+"]);
        for spelling in [
            "a%2Fö%20%22%26'%3C%25%2B",
            "a%2f%c3%b6+%22%26%27%3c%25%2b",
            "%61%2F%C3%B6+%22%26%27%3C%25%2B",
            "a/ö &quot;&amp;&apos;&lt;%+",
            "a&#47;&#xF6; &quot;&amp;&#39;&lt;%+",
            "&#x61;&#x2f;&#246;&#32;&#34;&#38;&#x27;&#60;&#37;&#43;",
        ] {
            assert_eq!(secrets.scrub(&format!("<a href='{spelling}'>")), "<a href='[secret]'>");
        }
        for other in
            ["a%2Fö%20%22%26'%3C%25%2", "a%2F%C3", "a%2F%C3%B7", "a/ö &quot", "a&#47;&#x;", "%", "&", "&;"]
        {
            assert_eq!(secrets.scrub(other), other);
        }
    }

    #[test]
    fn where_there_is_more_than_is_shown_it_says_so() {
        for more in [
            "x".repeat(1000),
            format!("{}{}x", "x".repeat(SNIPPET_CHARS), " ".repeat(1000)),
            "s".repeat(1000),
        ] {
            assert!(hiding(["sss"]).scrub(&more).ends_with('…'), "{more}");
        }
        let whole = "x".repeat(SNIPPET_CHARS);
        assert_eq!(hiding(["sss"]).scrub(&format!(" {whole}  ")), whole);
    }

    #[test]
    fn a_secret_that_contains_another_is_hidden_whole() {
        assert_eq!(hiding(["pass", "password"]).scrub("a password"), "a [secret]");
    }

    #[test]
    fn a_secret_that_ends_in_a_space_is_hidden_at_the_texts_end() {
        assert_eq!(hiding(["hunter2 "]).scrub(" bad password: hunter2 "), "bad password: [secret]");
    }

    #[test]
    fn a_secret_that_the_texts_end_cuts_off_is_hidden_from_where_it_could_be_told() {
        assert_eq!(hiding(["s3cr3t-token"]).scrub("token: s3cr3t-t"), "token: [secret]");
        assert_eq!(hiding(["s3cr3t-token"]).scrub("it is s3"), "it is s3", "two characters tell nothing");
    }

    #[test]
    fn an_empty_secret_hides_nothing() {
        assert_eq!(hiding([""]).scrub("text"), "text");
    }

    #[test]
    fn control_characters_become_spaces_and_long_texts_are_cut() {
        assert_eq!(snippet("a\u{1b}[31m\r\nb\0\u{202e}c"), "a [31m  b  c");
        assert_eq!(snippet(&"é".repeat(1000)).chars().count(), SNIPPET_CHARS + 1);
    }
}
