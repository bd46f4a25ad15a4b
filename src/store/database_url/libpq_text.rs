//! Takes options out of a libpq text before the driver reads it, as the driver refuses what it does not know.
//! Promises to divide a text as the driver does, so that no part of a password is taken for an option or the reverse.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// As the driver knows them.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// A text in two.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// The options that were asked for, in the text's order.
    pub(super) options: Vec<(&'static str, String)>,
    /// The text without them.
    pub(super) rest: String,
}

impl Taken {
    /// What holds where an option is given twice is the last, as in libpq. An empty value is none.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let last = self.options.iter().rev().find(|(option, _)| *option == name);
        last.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// None where it cannot be told what is an option. What else is wrong stays in the rest, for the driver to refuse.
pub(super) fn take_out(text: &str, names: &[&'static str]) -> Option<Taken> {
    match SCHEMES.iter().find(|scheme| text.starts_with(**scheme)) {
        Some(scheme) => out_of_url(text, scheme.len(), names),
        None => Some(out_of_pairs(text, names)),
    }
}

fn out_of_url(text: &str, begin: usize, names: &[&'static str]) -> Option<Taken> {
    // For the driver the login ends at the first `@`, wherever that is.
    let login = text[begin..].find('@').map_or("", |end| &text[begin..begin + end]);
    if ["?ssl", "&ssl"].iter().any(|option| login.contains(option)) {
        // It is in a value, and what is before it is no login.
        return None;
    }
    let Some(query) = text[begin + login.len()..].find('?') else {
        return Some(Taken { rest: text.to_owned(), ..Taken::default() });
    };
    let (head, mut left) = text.split_at(begin + login.len() + query);
    left = &left[1..];
    let (mut taken, mut kept) = (Taken::default(), Vec::new());
    while let Some((key, after)) = left.split_once('=') {
        let (value, after) = after.split_once('&').unwrap_or((after, ""));
        let decoded = |text| percent_decode_str(text).decode_utf8().ok();
        match decoded(key).and_then(|key| known(&key, names)) {
            Some(name) => taken.options.push((name, decoded(value).map(Cow::into_owned)?)),
            None => kept.push(format!("{key}={value}")),
        }
        left = after;
    }
    if !left.is_empty() {
        kept.push(left.to_owned());
    }
    taken.rest = if kept.is_empty() { head.to_owned() } else { format!("{head}?{}", kept.join("&")) };
    Some(taken)
}

fn out_of_pairs(text: &str, names: &[&'static str]) -> Taken {
    let (mut taken, mut left) = (Taken::default(), text);
    while let Some((key, value, after)) = first_pair(left) {
        match known(key, names) {
            Some(name) => taken.options.push((name, value)),
            None => {
                // Nothing need be between two pairs, if the one that was taken out had quotes.
                taken.rest.push(' ');
                taken.rest.push_str(&left[..left.len() - after.len()]);
            }
        }
        left = after;
    }
    if !left.is_empty() {
        // Not at the end of the text: a backslash there would make it a part of the value.
        taken.rest.push(' ');
        taken.rest.push_str(left);
    }
    taken
}

fn known(key: &str, names: &[&'static str]) -> Option<&'static str> {
    names.iter().find(|name| **name == key).copied()
}

/// Key, value and what follows; none at the end, and where something is wrong.
fn first_pair(text: &str) -> Option<(&str, String, &str)> {
    let text = text.trim_start();
    let (key, after) = text.split_at(text.find(|c: char| c.is_whitespace() || c == '=')?);
    if key.is_empty() {
        return None;
    }
    let (value, after) = first_value(after.trim_start().strip_prefix('=')?.trim_start())?;
    Some((key, value, after))
}

fn first_value(text: &str) -> Option<(String, &str)> {
    let is_quoted = text.starts_with('\'');
    let text = if is_quoted { &text[1..] } else { text };
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, char)) = chars.next() {
        match char {
            '\'' if is_quoted => return Some((value, &text[at + 1..])),
            space if space.is_whitespace() && !is_quoted => return Some((value, &text[at..])),
            '\\' => value.extend(chars.next().map(|(_, char)| char)),
            char => value.push(char),
        }
    }
    (!is_quoted && !value.is_empty()).then_some((value, ""))
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;
    use tokio_postgres::Config;

    use super::*;

    const NAMES: [&str; 4] = ["sslmode", "sslrootcert", "sslcert", "sslkey"];

    fn taken(text: &str) -> Taken {
        take_out(text, &NAMES).expect("it can be told what is an option")
    }

    #[test]
    fn options_are_found_in_both_forms_however_they_are_quoted() {
        for text in [
            "postgres://bob:pw@db/ads?sslmode=verify-full&sslrootcert=%2Fetc%2Fa%20b%40c.pem",
            "postgresql://db?ssl%6dode=verify-full&sslrootcert=/etc/a b%40c.pem&application_name=x",
            "sslmode=verify-full sslrootcert='/etc/a b@c.pem'",
            "host=db sslmode = 'verify-full'sslrootcert=/etc/a\\ b@c.pem user=bob",
            "sslmode=disable sslmode=verify-full sslrootcert='/etc/a\\ b@c.pem' password='sslmode=disable'",
        ] {
            let taken = taken(text);
            assert_eq!(taken.value("sslmode"), Some("verify-full"), "{text}");
            assert_eq!(taken.value("sslrootcert"), Some("/etc/a b@c.pem"), "{text}");
            assert_eq!(taken.value("sslkey"), None, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_an_option_stays_where_it_is() {
        for text in [
            "postgres://bob:a?sslcert=b&x@db/ads",
            "postgres://db/ads?sslmode=require&sslrootcert=/etc/a@b.pem",
        ] {
            assert_eq!(take_out(text, &NAMES), None, "{text}");
        }
        for text in ["postgres://bob:x?y@db/ads", "postgres://sslmode=require/ads", "postgres://db/ads?x"] {
            assert_eq!(taken(text), Taken { options: vec![], rest: text.to_owned() });
        }
        let taken = taken("password='a sslmode=disable b' xsslmode=1");
        assert_eq!(taken.options, []);
    }

    /// A value as it would stand in the one form or the other.
    fn encoded(value: &str, in_url: bool) -> String {
        match in_url {
            true => utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
            false => format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'")),
        }
    }

    fn text(pairs: &[(&str, &str)], in_url: bool) -> String {
        let pairs = pairs.iter().map(|(key, value)| format!("{key}={}", encoded(value, in_url)));
        let pairs: Vec<String> = pairs.collect();
        if in_url { format!("postgres://?{}", pairs.join("&")) } else { pairs.join(" ") }
    }

    proptest! {
        #[test]
        fn whatever_the_values_the_driver_reads_the_rest_as_if_the_options_had_never_stood_there(
            password in "\\PC{1,20}",
            path in "\\PC{1,20}",
            place in 0usize..4,
            in_url: bool,
        ) {
            let others = [("user", "bob"), ("password", password.as_str()), ("dbname", "ads")];
            let mut all = others.to_vec();
            all.insert(place.min(others.len()), ("sslrootcert", &path));
            let taken = taken(&text(&all, in_url));
            prop_assert_eq!(taken.value("sslrootcert"), Some(path.as_str()));
            let without: Config = text(&others, in_url).parse().expect("the driver reads it");
            prop_assert_eq!(taken.rest.parse::<Config>().expect("the driver reads it"), without);
        }

        #[test]
        fn whatever_the_text_what_has_no_such_option_is_read_as_it_is(
            text in "(postgres://)?([a-z@:/?&=%' \\\\\u{a0}]|password=|sslmode){0,20}",
        ) {
            if let Some(taken) = take_out(&text, &NAMES).filter(|taken| taken.options.is_empty()) {
                let (ours, theirs) = (taken.rest.parse::<Config>(), text.parse::<Config>());
                prop_assert_eq!(ours.ok(), theirs.ok());
            }
        }

        #[test]
        fn whatever_the_text_an_option_is_taken_where_the_driver_would_have_seen_one(
            text in "(postgres://)?([a-z@:/?&=%' \\\\]|sslmode=|user=){0,12}",
        ) {
            let unknown = |error: &tokio_postgres::Error| {
                std::error::Error::source(error).is_some_and(|it| it.to_string() == "unknown option `sslkey`")
            };
            let sees_one = text.replace("sslmode", "sslkey").parse::<Config>().is_err_and(|it| unknown(&it));
            let found = take_out(&text, &NAMES);
            if let (true, Some(taken)) = (sees_one, found) {
                prop_assert!(!taken.options.is_empty(), "{}", text);
            }
        }
    }
}
