//! `/account?id=…`: one account, with its dead letters and runs from the database, and what operators can do.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, web};
use actors::model::{AccountId, LetterFilter};
use futures_util::future::join;
use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;
use serde_json::json;

use super::super::Api;
use super::super::answer::{Problem, in_time};
use super::layout::{Layout, answer};
use super::row::{encoded, foreign, heads, time};
use super::table::Table;
use crate::printable::printable;
use crate::serve::scheduler::{AccountStatus, UnknownAccount};
use crate::store::{DeadLetterRow, RunRow};

/// Dead letters on the page, the newest ones: what a person looks through. The API has all of them.
const LETTERS: u32 = 100;
/// Runs on the page.
const RUNS: u32 = 20;

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    id: String,
}

#[get("/account")]
pub(super) async fn page(
    api: web::Data<Api>,
    table: web::Data<Table>,
    which: web::Query<Which>,
) -> Result<HttpResponse, Problem> {
    let id = AccountId::from(which.into_inner().id);
    let status = api.accounts.borrow().get(&id).cloned();
    let rows = table.rows();
    let (Some(status), Some(row)) = (status, rows.get(&id)) else {
        return Ok(not_found(&id));
    };
    let filter = LetterFilter { campaigns: vec![], classes: vec![] };
    let letters = api.store.dead_letters_after(Some(id.as_str()), &filter, None, LETTERS + 1);
    let runs = api.store.runs_after(Some(id.as_str()), None, RUNS);
    // At once: where the database is away, each is waited for.
    let (letters, runs) = join(in_time(letters), in_time(runs)).await;
    let content = html! {
        div .scroll {
            table #accounts data-only=(id) data-events={ "/events?account=" (encoded(&id)) } {
                (heads())
                tbody { (PreEscaped(&row.html)) }
            }
        }
        div #details tabindex="-1" {
            (actions(&id, &status, api.token.is_some()))
            (last_problems(&status))
            (letters_section(&id, letters, api.token.is_some()))
            (runs_section(runs))
        }
    };
    let layout = Layout { title: id.as_str(), back: true };
    Ok(answer(StatusCode::OK, layout, content))
}

fn not_found(id: &AccountId) -> HttpResponse {
    let content = html! { p { (foreign(&UnknownAccount(id.clone()).to_string())) "." } };
    answer(StatusCode::NOT_FOUND, Layout { title: "no such account", back: true }, content)
}

/// Shown once there is JavaScript: a form could not send the token.
fn actions(id: &AccountId, status: &AccountStatus, token_is_set: bool) -> Markup {
    // In a path, a plus is no space.
    let post = |action: &str| format!("/api/accounts/{}/{action}", encoded(id).replace('+', "%20"));
    html! {
        @if token_is_set {
            p .actions {
                @if status.paused_since.is_some() {
                    button hidden data-post=(post("resume")) { "Resume" }
                } @else {
                    button hidden data-post=(post("run")) { "Sync now" }
                    button hidden data-post=(post("pause")) { "Pause" }
                }
                span .without-script { "Syncing now, pausing and trying again are buttons here where JavaScript is on." }
            }
        } @else {
            p { "Nothing can be changed from here as long as no " code { "api_token" } " is set in the configuration file." }
        }
        p .facts { "Schedule: " code { (status.schedule) } }
    }
}

fn last_problems(status: &AccountStatus) -> Markup {
    let problems = status.last.as_ref().map_or(&[][..], |last| &last.report.problems);
    html! {
        @if !problems.is_empty() {
            section aria-labelledby="problems" {
                h2 #problems { "What the last run says" }
                ul { @for problem in problems { li { (foreign(&problem.message)) } } }
            }
        }
    }
}

fn letters_section(
    id: &AccountId,
    letters: Result<Vec<DeadLetterRow>, Problem>,
    token_is_set: bool,
) -> Markup {
    html! {
        section aria-labelledby="dead-letters" {
            h2 #dead-letters { "Dead letters" }
            @match letters {
                Err(problem) => { p .away { "They cannot be read now: " (foreign(&problem.to_string())) "." } }
                Ok(letters) if letters.is_empty() => { p { "None." } }
                Ok(letters) => { (letters_table(id, &letters, token_is_set)) }
            }
        }
    }
}

fn letters_table(id: &AccountId, letters: &[DeadLetterRow], token_is_set: bool) -> Markup {
    let shown = &letters[..letters.len().min(LETTERS as usize)];
    html! {
        @if letters.len() > shown.len() { p { "The newest " (shown.len()) "." } }
        @if token_is_set { p { button hidden data-post="/api/dead-letters/replay" data-body=(json!({ "account": id.as_str() })) { "Try all again" } } }
        div .scroll { table {
            thead { tr {
                th scope="col" { "Campaign" } th scope="col" { "Class" } th scope="col" { "What happened" }
                th .number scope="col" { "Attempts" } th scope="col" { "Last failure" } th scope="col" { span .only-heard { "Action" } }
            } }
            tbody { @for letter in shown { tr {
                th scope="row" { (foreign(&letter.campaign)) }
                td { (letter.class) }
                td .cause { (foreign(&letter.message)) }
                td .number { (letter.attempts) }
                td { @if let Ok(at) = Timestamp::try_from(letter.last_failed_at) { (time(at)) } }
                td { @if token_is_set {
                    button hidden data-post="/api/dead-letters/replay"
                        data-body=(json!({ "account": id.as_str(), "campaigns": [letter.campaign] }))
                        aria-label={ "Try " (printable(&letter.campaign)) " again" } { "Try again" }
                } }
            } } }
        } }
    }
}

fn runs_section(runs: Result<Vec<RunRow>, Problem>) -> Markup {
    html! {
        section aria-labelledby="runs" {
            h2 #runs { "Runs" }
            @match runs {
                Err(problem) => { p .away { "They cannot be read now: " (foreign(&problem.to_string())) "." } }
                Ok(runs) if runs.is_empty() => { p { "None yet." } }
                Ok(runs) => { div .scroll { table {
                    thead { tr {
                        th scope="col" { "Begun" } th scope="col" { "Status" } th scope="col" { "Kind" } th .number scope="col" { "Stored" }
                        th .number scope="col" { "Given up" } th .number scope="col" { "Requests" } th .number scope="col" { "429s" }
                        th .number scope="col" { "Seconds" }
                    } }
                    tbody { @for run in &runs { (run_row(run)) } }
                } } }
            }
        }
    }
}

fn run_row(run: &RunRow) -> Markup {
    let known = |count: Option<i64>| count.map_or_else(|| "–".to_owned(), |count| count.to_string());
    html! {
        tr {
            th scope="row" { @if let Ok(at) = Timestamp::try_from(run.started_at) { (time(at)) } }
            td { strong data-status=(run.status) { (run.status) } @if run.resumed { ", resumed" } }
            td { (run.kind) }
            td .number { (run.stored) }
            td .number { (run.dead_lettered) }
            td .number { (known(run.requests)) }
            td .number { (known(run.throttled)) }
            td .number { (run.duration_seconds.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.1}"))) }
        }
    }
}
