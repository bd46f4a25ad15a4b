//! The fields of a line for people, as the library shows them, but for what a platform could say in them: a campaign's id may
//! be any text, and must neither break the line nor be obeyed by the terminal. (Of a line of JSON, JSON sees to that.)

use std::fmt;

use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::printable::escaped;

/// See the module.
pub(super) fn pretty_fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(write_field).delimited(" ")
}

fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let text = escaped(&format!("{value:?}"));
    match field.name() {
        "message" => writer.write_str(&text),
        name if writer.has_ansi_escapes() => {
            write!(writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{text}")
        }
        name => write!(writer, "{name}={text}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::sync::Arc;

    use tracing::{error_span, warn};

    use super::*;

    /// A line of the log, on a terminal or elsewhere.
    fn line(on_terminal: bool) -> String {
        let mut written = tempfile::tempfile().expect("a file");
        let subscriber = tracing_subscriber::fmt()
            .without_time()
            .with_target(false)
            .with_ansi(on_terminal)
            .fmt_fields(pretty_fields())
            .with_writer(Arc::new(written.try_clone().expect("one more handle")))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let span = error_span!("sync", campaign = %"a\n\u{1b}[2J", attempts = tracing::field::Empty);
            span.record("attempts", 2);
            span.in_scope(|| warn!(cause = %"b\u{202e}", class = "c", "given\nup"));
        });
        written.rewind().expect("it is a file");
        let mut text = String::new();
        written.read_to_string(&mut text).expect("text");
        text
    }

    #[test]
    fn a_line_stays_one_and_its_values_are_told_as_they_are() {
        let expected =
            " WARN sync{campaign=a\\n\\u{1b}[2J attempts=2}: given\\nup cause=b\\u{202e} class=\"c\"\n";
        assert_eq!(line(false), expected);
    }

    #[test]
    fn only_what_the_log_itself_says_colours_a_terminal() {
        let text = line(true);
        assert!(text.contains("\u{1b}[3mcause\u{1b}[0m\u{1b}[2m=\u{1b}[0mb\\u{202e} "), "{text:?}");
        assert!(text.contains("=\u{1b}[0ma\\n\\u{1b}[2J "), "{text:?}");
    }
}
