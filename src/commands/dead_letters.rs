//! `dead-letters`: what was given up on, shown or deleted. (A replay is a run of its own: [`super::run`].)

mod discard;
mod list;

use comfy_table::{Table, presets};

pub use discard::run as discard;
pub use list::run as list;

use crate::printable::printable;
use crate::report::time;
use crate::store::DeadLetterRow;

/// For people: all but the payload.
fn table(letters: &[DeadLetterRow]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "account",
        "campaign",
        "class",
        "attempts",
        "first failure",
        "last failure",
        "message",
    ]);
    for letter in letters {
        table.add_row([
            printable(&letter.account),
            printable(&letter.campaign),
            printable(&letter.class),
            letter.attempts.to_string(),
            time(letter.first_failed_at),
            time(letter.last_failed_at),
            printable(&letter.message),
        ]);
    }
    table
}
