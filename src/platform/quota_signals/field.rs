//! As much of RFC 9651 (structured fields) as rate limits are written in, read leniently: a member that cannot be
//! understood spoils itself, not its neighbours, as platforms write these fields by hand.

/// `name;key=value;key=value`, in a list by comma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member<'a> {
    /// Without its quotation marks.
    pub(super) name: &'a str,
    parameters: &'a str,
}

impl<'a> Member<'a> {
    /// What a parameter's value is, without its quotation marks.
    pub(super) fn parameter(&self, wanted: &str) -> Option<&'a str> {
        split(self.parameters, ';').find_map(|parameter| value_of(parameter, wanted))
    }

    /// A parameter that is a whole number, not below zero.
    pub(super) fn integer(&self, wanted: &str) -> Option<u64> {
        self.parameter(wanted).and_then(number)
    }

    /// The number of `key=number`, where the whole is a dictionary.
    pub(super) fn entry(&self, wanted: &str) -> Option<u64> {
        value_of(self.name, wanted).and_then(number)
    }
}

/// The members of a list that are not empty.
pub(super) fn members(text: &str) -> impl Iterator<Item = Member<'_>> {
    split(text, ',').map(str::trim).filter(|member| !member.is_empty()).map(|member| {
        let end = end_of(member, ';');
        Member { name: unquoted(&member[..end]), parameters: member[end..].trim_start_matches(';') }
    })
}

/// A whole number as structured fields have them: at most 15 digits and nothing else.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn value_of<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    let (key, value) = text.split_once('=')?;
    key.trim().eq_ignore_ascii_case(wanted).then(|| unquoted(value))
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// The parts between separators that stand in no quotation.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = end_of(text, separator);
        rest = text.get(end + 1..);
        Some(&text[..end])
    })
}

/// Where the first separator outside of a quotation is, or the end.
fn end_of(text: &str, separator: char) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if char == separator && !quoted => return at,
            _ => {}
        }
    }
    text.len()
}
