//! Where in a text a byte stands, in the words of an editor: line and column.

use std::sync::Arc;

use toml::Spanned;

use crate::config::source::Source;

/// The lines of a text.
pub(super) struct Places<'a> {
    path: Arc<str>,
    text: &'a str,
    /// The offset at which each line begins.
    starts: Vec<usize>,
}

impl<'a> Places<'a> {
    pub(super) fn new(path: &str, text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset + 1);
        Self { path: path.into(), text, starts: std::iter::once(0).chain(ends).collect() }
    }

    pub(super) fn start(&self) -> Source {
        self.at(0)
    }

    /// Where the value begins.
    pub(super) fn of<T>(&self, value: &Spanned<T>) -> Source {
        self.at(value.span().start)
    }

    /// Counted from 1. The end of the text is behind its last character, not on the line that follows.
    pub(super) fn line(&self, offset: usize) -> usize {
        let last = self.text.len().saturating_sub(1);
        self.starts.partition_point(|start| *start <= offset.min(last))
    }

    pub(super) fn at(&self, offset: usize) -> Source {
        let line = self.line(offset);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset.min(self.text.len())).unwrap_or_default();
        // A byte order mark is on no screen.
        let column = before.chars().filter(|c| *c != '\u{feff}').count() + 1;
        Source::File { path: self.path.clone(), line, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, offset: usize) -> (usize, usize) {
        let Source::File { line, column, .. } = Places::new("a.toml", text).at(offset) else { panic!() };
        (line, column)
    }

    #[test]
    fn lines_and_columns_are_counted_from_one_and_columns_in_characters() {
        let text = "a = 1\r\nß = 2\n";
        assert_eq!(place(text, 0), (1, 1));
        assert_eq!(place(text, 4), (1, 5));
        assert_eq!(place(text, 7), (2, 1));
        assert_eq!(place(text, 12), (2, 5), "the ß has two bytes");
        assert_eq!(place("\u{feff}a", 3), (1, 1));
    }

    #[test]
    fn the_end_is_on_the_last_line() {
        assert_eq!(place("a = 1\n", 6), (1, 7));
        assert_eq!(place("a =", 3), (1, 4));
        assert_eq!(place("a =", 99), (1, 4));
        assert_eq!(place("", 0), (1, 1));
    }
}
