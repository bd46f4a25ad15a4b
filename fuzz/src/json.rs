//! A reader of JSON that is known to be valid, by brackets and quotation marks alone: what is in it, as it was written.

use serde_json::value::RawValue;

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// A member of an object: its name, unless that is no Unicode, and its value's text.
pub(crate) type Member<'a> = (Option<String>, &'a str);

/// The body as text, where it is one JSON value in UTF-8.
pub(crate) fn valid(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str::<&RawValue>(text).ok()?;
    Some(text.trim_matches(SPACE))
}

/// The members of an object, in order; none where the value is no object.
pub(crate) fn members(json: &str) -> Option<Vec<Member<'_>>> {
    parts(json, '{', '}')?.into_iter().map(member).collect()
}

/// The values of a list, in order; none where the value is no list.
pub(crate) fn elements(json: &str) -> Option<Vec<&str>> {
    parts(json, '[', ']')
}

/// The value of the only member of this name. A member that is null is as if it were not there.
pub(crate) fn only<'a>(members: &[Member<'a>], name: &str) -> Option<&'a str> {
    let mut named = members.iter().filter(|(found, _)| found.as_deref() == Some(name));
    let (_, value) = named.next()?;
    (named.next().is_none() && *value != "null").then_some(value)
}

/// Whether a reader that looks at these names can read the object: each at most once, and all names are Unicode.
pub(crate) fn readable(members: &[Member<'_>], names: &[&str]) -> bool {
    let count = |name: &&str| members.iter().filter(|(found, _)| found.as_deref() == Some(*name)).count();
    members.iter().all(|(name, _)| name.is_some()) && names.iter().all(|name| count(name) <= 1)
}

/// What a string holds; none where the value is no string, or no Unicode.
pub(crate) fn string(json: &str) -> Option<String> {
    json.starts_with('"').then(|| serde_json::from_str(json).ok()).flatten()
}

/// Whether the text is a JSON number: `-`, digits without a leading zero, a fraction, an exponent.
pub(crate) fn is_number(text: &str) -> bool {
    let after_digits = |text: &str| text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let whole = unsigned.len() - after_digits(unsigned);
    let mut rest = &unsigned[whole..];
    let mut right = whole == 1 || (whole > 1 && !unsigned.starts_with('0'));
    if let Some(fraction) = rest.strip_prefix('.') {
        right &= after_digits(fraction) < fraction.len();
        rest = &fraction[fraction.len() - after_digits(fraction)..];
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        right &= after_digits(digits) < digits.len();
        rest = &digits[digits.len() - after_digits(digits)..];
    }
    right && rest.is_empty()
}

/// The text between the brackets, cut at the commas that stand in no bracket and no quotation.
fn parts(json: &str, open: char, close: char) -> Option<Vec<&str>> {
    let inner = json.strip_prefix(open)?.strip_suffix(close)?.trim_matches(SPACE);
    let mut cuts = Vec::new();
    let mut depth = 0usize;
    for (at, byte) in unquoted(inner) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => cuts.push(at),
            _ => {}
        }
    }
    if !inner.is_empty() {
        cuts.push(inner.len());
    }
    let begins = std::iter::once(0).chain(cuts.iter().map(|cut| cut + 1));
    Some(begins.zip(&cuts).map(|(begin, end)| inner[begin..*end].trim_matches(SPACE)).collect())
}

fn member(part: &str) -> Option<Member<'_>> {
    let (colon, _) = unquoted(part).find(|(_, byte)| *byte == b':')?;
    Some((string(part[..colon].trim_matches(SPACE)), part[colon + 1..].trim_matches(SPACE)))
}

/// The bytes that stand in no quotation, with their places.
fn unquoted(json: &str) -> impl Iterator<Item = (usize, u8)> {
    let (mut quoted, mut escaped) = (false, false);
    json.bytes().enumerate().filter(move |(_, byte)| {
        let outside = !quoted;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        outside
    })
}
