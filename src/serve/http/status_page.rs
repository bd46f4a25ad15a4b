//! The status page at `/`: all accounts, as they are now, for people. Readable as it comes; with JavaScript it stays
//! current, and operators can act. Everything that it shows comes from the binary, and whatever a platform said is text.

mod account;
mod chart;
mod layout;
mod row;
mod standing;
mod stream;
mod table;
#[cfg(test)]
mod tests;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;

use self::layout::{Layout, answer};
use self::row::heads;
use self::standing::Condition;
pub(super) use self::stream::MAX_SUBSCRIBERS;
pub(super) use self::table::Table;
use self::table::{Rows, counts};

/// Rows on a page. More than that are a megabyte, and nobody looks through them without a search.
const MAX_ROWS: usize = 1_000;

/// Which accounts are shown.
#[derive(Debug, Default, Deserialize)]
struct Filter {
    /// Those whose id has it in it.
    #[serde(default)]
    search: String,
    /// Those in this condition; empty is any.
    #[serde(default)]
    state: String,
    /// Those after this id.
    #[serde(default)]
    after: String,
}

/// For people, and so not in the description of the API.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(page)
        .service(account::page)
        .service(stream::events)
        .service(layout::style)
        .service(layout::script)
        .service(layout::icon);
}

#[get("/")]
async fn page(table: web::Data<Table>, filter: web::Query<Filter>) -> HttpResponse {
    answer(StatusCode::OK, Layout { title: "Accounts", back: false }, accounts(&table.rows(), &filter))
}

fn accounts(rows: &Rows, filter: &Filter) -> Markup {
    let search = filter.search.to_lowercase();
    let is_meant = |condition: Condition| filter.state.is_empty() || filter.state == condition.name();
    let meant = rows.iter().filter(|(id, row)| {
        is_meant(row.condition)
            && id.as_str() > filter.after.as_str()
            && id.as_str().to_lowercase().contains(&search)
    });
    let mut meant: Vec<_> = meant.take(MAX_ROWS + 1).collect();
    let more = meant.len() > MAX_ROWS;
    meant.truncate(MAX_ROWS);
    let last = meant.last().map(|(id, _)| id.to_string()).filter(|_| more);
    html! {
        form #filter role="search" {
            label { "Search " input type="search" name="search" value=(filter.search) autocomplete="off"; }
            fieldset {
                legend .only-heard { "State" }
                (choice("", "all", rows.len(), filter))
                @for (condition, count) in Condition::ALL.into_iter().zip(counts(rows)) {
                    (choice(condition.name(), condition.label(), count, filter))
                }
            }
            button { "Show" }
        }
        div .scroll {
            table #accounts data-events="/events" data-whole[rows.len() <= MAX_ROWS] {
                (heads())
                tbody { @for (_, row) in &meant { (PreEscaped(&row.html)) } }
            }
        }
        p #none hidden[!meant.is_empty()] { "No account is like this." }
        @if let Some(last) = last { p { a href=(next_page(filter, &last)) { "Next accounts" } } }
    }
}

fn choice(name: &str, label: &str, count: usize, filter: &Filter) -> Markup {
    html! {
        label data-state=(name) {
            input type="radio" name="state" value=(name) checked[filter.state == name];
            " " (label) " " span .total { (count) }
        }
    }
}

fn next_page(filter: &Filter, last: &str) -> String {
    let pairs = [("search", filter.search.as_str()), ("state", &filter.state), ("after", last)];
    format!("/?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}
