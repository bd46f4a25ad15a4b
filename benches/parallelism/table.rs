//! The measurements for people: every cell in a row of its own, and all of them in a grid.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use crate::bounds::Judged;

const RED: &str = "\u{1b}[31m";
const PLAIN: &str = "\u{1b}[0m";

/// A row for each cell. The count of 429s is the last column, because the codes of a colour would be taken for text
/// that has a width.
pub(crate) fn of_cells(cells: &[Judged], in_colour: bool) -> Table {
    let header =
        ["limit", "latency", "c", "requests", "makespan", "bound", "binds", "efficiency", "expected", "429s"];
    let mut table = plain(&header);
    for cell in cells {
        let measured = &cell.measured;
        let expected = match cell.expected {
            Some(expected) => format!("{}{expected:.3}", if cell.misses() { "missed " } else { "" }),
            None => "-".to_owned(),
        };
        table.add_row([
            measured.cell.limit_name(),
            format!("{} ms", measured.cell.latency.as_millis()),
            measured.cell.concurrency.to_string(),
            measured.requests.to_string(),
            format!("{:.2} s", measured.makespan.as_secs_f64()),
            format!("{:.2} s", cell.bound.as_secs_f64()),
            cell.binding.to_string(),
            format!("{:.3}", cell.efficiency()),
            expected,
            alarming(measured.throttled, &measured.throttled.to_string(), in_colour),
        ]);
    }
    table
}

/// The grid, what its letters mean, and what is not as it should be.
pub(crate) fn summary(cells: &[Judged], in_colour: bool) -> String {
    let mut text = format!("{}\n", grid(cells));
    text += "Efficiency: the bound as a share of the makespan. The bound is the limit's (L), the concurrency's (C) or\n\
             the pipeline's own time on a processor (P), whichever is the longest.\n";
    let missed = cells.iter().filter(|cell| cell.misses()).count();
    let judged = cells.iter().filter(|cell| cell.expected.is_some()).count();
    // Writing to a string does not fail.
    let _ = writeln!(text, "{missed} of {judged} cells are below what is expected of them.");
    let throttled: u64 = cells.iter().map(|cell| cell.measured.throttled).sum();
    let count = format!("{throttled} 429s in {} cells.", cells.len());
    text + &alarming(throttled, &count, in_colour)
}

/// A row for each concurrency, a column for each latency under each limit.
fn grid(cells: &[Judged]) -> Table {
    let column = |cell: &Judged| {
        let cell = &cell.measured.cell;
        format!("{}\n{} ms", cell.limit_name(), cell.latency.as_millis())
    };
    let (mut columns, mut rows) = (Vec::new(), Vec::new());
    for cell in cells {
        push_new(&mut columns, column(cell));
        push_new(&mut rows, cell.measured.cell.concurrency);
    }
    let header = std::iter::once("c".to_owned()).chain(columns.iter().cloned()).collect::<Vec<_>>();
    let mut table = plain(&header);
    for concurrency in rows {
        let of_row = |cell: &&Judged| cell.measured.cell.concurrency == concurrency;
        let texts = columns.iter().map(|name| {
            let cell = cells.iter().filter(of_row).find(|cell| column(cell) == *name);
            cell.map_or_else(String::new, short)
        });
        table.add_row(std::iter::once(concurrency.to_string()).chain(texts));
    }
    table
}

fn short(cell: &Judged) -> String {
    let throttled = match cell.measured.throttled {
        0 => String::new(),
        n => format!(" {n}x429"),
    };
    format!("{:.3} {}{throttled}", cell.efficiency(), cell.binding)
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn plain<T: ToString>(header: &[T]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.iter().map(ToString::to_string));
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// In red where there is a count and somebody looks.
fn alarming(count: u64, text: &str, in_colour: bool) -> String {
    if count > 0 && in_colour { format!("{RED}{text}{PLAIN}") } else { text.to_owned() }
}
