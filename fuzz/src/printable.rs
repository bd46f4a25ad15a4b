//! What may be shown to a person: one line, nothing that a terminal obeys, and not more than a bound.

/// A quotation of the platform's words: 200 characters and an ellipsis.
pub(crate) const QUOTATION: usize = 201;
/// A whole message: what was asked, the status, what is wrong with the answer and its body's beginning.
pub(crate) const MESSAGE: usize = 600;

/// Asserts it.
#[track_caller]
pub(crate) fn assert_printable(text: &str, most_chars: usize) {
    assert!(!text.is_empty(), "a message says something");
    assert!(text.chars().count() <= most_chars, "{} characters: {text:?}", text.chars().count());
    assert!(!text.chars().any(is_obeyed), "a terminal would obey {text:?}");
}

/// Controls, and marks that turn or hide what is shown.
fn is_obeyed(c: char) -> bool {
    let turns_or_hides = ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{2069}'];
    c.is_control() || c == '\u{feff}' || turns_or_hides.iter().any(|range| range.contains(&c))
}
