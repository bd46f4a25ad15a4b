//! Text from outside, made harmless: what is shown to a person stays on its line, says what it is, and is nothing that a
//! terminal obeys.

/// With a replacement character for each that is not harmless; for tables, whose columns keep their width.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_harmless(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// With an escape for each that is not harmless, such as `\n` or `\u{202e}`; for logs, where the difference may matter.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) { shown.push(c) } else { shown.extend(c.escape_default()) }
    }
    shown
}

/// No control, no line or paragraph separator, and no mark that turns the text around it the other way. Marks that join
/// characters are: emoji are made with them.
fn is_harmless(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !turns && !matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_or_turns_around_is_replaced_and_everything_else_stays() {
        for text in ["O'Brien & Söhne", "تخفيضات الصيف", "👩‍👩‍👧 \u{e000}", "a\\nb \"c\"", ""]
        {
            assert_eq!((printable(text), escaped(text)), (text.to_owned(), text.to_owned()));
        }
        for (text, shown, told) in [
            ("a\nb", "a\u{fffd}b", "a\\nb"),
            ("\u{1b}[31m", "\u{fffd}[31m", "\\u{1b}[31m"),
            ("\u{9b}2J\u{7f}", "\u{fffd}2J\u{fffd}", "\\u{9b}2J\\u{7f}"),
            ("\u{202e}moc", "\u{fffd}moc", "\\u{202e}moc"),
            ("\u{2066}\u{200f}\u{2028}", "\u{fffd}\u{fffd}\u{fffd}", "\\u{2066}\\u{200f}\\u{2028}"),
        ] {
            assert_eq!((printable(text), escaped(text)), (shown.to_owned(), told.to_owned()));
        }
    }
}
