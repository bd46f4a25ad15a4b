//! What both pages have around them, and the files they load: all of it is in the binary.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get};
use maud::{DOCTYPE, Markup, html};

use super::row::foreign;

/// What is around the content.
pub(super) struct Layout<'a> {
    pub(super) title: &'a str,
    /// With a way back to all accounts.
    pub(super) back: bool,
}

pub(super) fn answer(status: StatusCode, layout: Layout<'_>, content: Markup) -> HttpResponse {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (layout.title) " – campaign-sync" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/page.css";
                script src="/page.js" defer {}
            }
            body {
                header {
                    @if !layout.back { strong { "campaign-sync" } }
                    @if layout.back { a href="/" { "All accounts" } }
                    h1 { (foreign(layout.title)) }
                    p #connection role="status" { "As of now; reload to see what has changed." }
                }
                main { (content) }
                p #outcome role="status" {}
                dialog #token aria-labelledby="token-title" {
                    form method="dialog" {
                        h2 #token-title { "Operator token" }
                        p { "The one that " code { "api_token" } " in the configuration file names. It is kept until this tab is closed." }
                        // So that a password manager knows what to keep it under.
                        input hidden name="username" autocomplete="username" value="operator";
                        label { "Token " input type="password" name="token" autocomplete="current-password" required; }
                        p .actions {
                            button value="ok" { "Go on" }
                            button value="cancel" formnovalidate { "Cancel" }
                        }
                    }
                }
            }
        }
    };
    HttpResponse::build(status).content_type("text/html; charset=utf-8").body(page.into_string())
}

#[get("/page.css")]
pub(super) async fn style() -> HttpResponse {
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(include_str!("page.css"))
}

#[get("/page.js")]
pub(super) async fn script() -> HttpResponse {
    HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(include_str!("page.js"))
}

#[get("/icon.svg")]
pub(super) async fn icon() -> HttpResponse {
    HttpResponse::Ok().content_type("image/svg+xml").body(include_str!("icon.svg"))
}
