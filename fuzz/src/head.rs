//! An answer as text: fields, an empty line, the body.

/// A head's fields with their names as they were written.
pub(crate) type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Takes it apart. A line without a colon is left out.
pub(crate) fn and_body(input: &[u8]) -> (Fields<'_>, &[u8]) {
    let mut fields = Fields::new();
    let mut rest = input;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = rest[..end].trim_ascii();
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.is_empty() {
            break;
        }
        if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            fields.push((&line[..colon], line[colon + 1..].trim_ascii()));
        }
    }
    (fields, rest)
}

/// The first field of this name, where it is text that HTTP can carry.
pub(crate) fn field<'a>(fields: &Fields<'a>, wanted: &str) -> Option<&'a str> {
    let carried = |value: &[u8]| value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
    let mut named =
        fields.iter().filter(|(name, value)| name.eq_ignore_ascii_case(wanted.as_bytes()) && carried(value));
    named.next().and_then(|(_, value)| std::str::from_utf8(value).ok()).filter(|value| value.is_ascii())
}
