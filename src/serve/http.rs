//! The HTTP of `serve`: health, metrics, what the accounts, runs and dead letters are, as a page for people and as JSON, and
//! for operators what starts and pauses them. Promises bounded requests, answers within a bound, and that a page of somebody
//! else's in an operator's browser can start nothing here; and where we listen on loopback, read nothing.

mod accounts;
mod answer;
mod body;
mod checks;
mod dead_letters;
mod guesses;
mod host;
mod metrics;
mod operator;
mod page;
mod pauses;
mod runs;
mod status_page;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_web::dev::Server;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{App, HttpServer, get, web};
use tokio::sync::{Mutex, Semaphore, watch};
use utoipa::OpenApi;
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;

use self::answer::Problem;
pub use self::checks::Check;
use self::guesses::Guesses;
use self::operator::Token;
use super::letters::LetterCounts;
use super::live::Live;
use super::scheduler::{Scheduler, Snapshot};
use crate::rotating_secret::RotatingSecret;
use crate::store::PgStore;
use crate::tls::Identity;

/// Connections at once; the next ones wait to be accepted. A scrape, a few operators and their open pages.
const MAX_CONNECTIONS: usize = 512;
/// From a connection's begin until its request's head is there.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection is kept for a next request: longer than the usual scrape interval.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long the server's end waits for what is being answered.
const SHUTDOWN_LIMIT_SECONDS: u64 = 1;
/// Of a request. The largest that is known names a few hundred campaigns.
const MAX_BODY: usize = 64 * 1024;

/// The page that comes with the program, and nothing from elsewhere; not in a frame, and no form but to here.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                                       connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Yields the metrics in the Prometheus text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What is answered from.
#[derive(Clone)]
pub struct Api {
    /// Who starts and pauses accounts.
    pub scheduler: Addr<Scheduler>,
    /// What it publishes.
    pub accounts: watch::Receiver<Snapshot>,
    /// What their runs are doing.
    pub live: Live,
    /// How many dead letters they have.
    pub letters: LetterCounts,
    /// Runs and dead letters.
    pub store: PgStore,
    /// The body of `/metrics`.
    pub metrics: RenderMetrics,
    /// What has to be well for `/readyz`.
    pub checks: Vec<Check>,
    /// Whose turn it is to pause or resume.
    pub pausing: Arc<Mutex<()>>,
    /// The token of operators; without one nothing can be changed over HTTP.
    pub token: Option<RotatingSecret>,
}

/// Serves until it is stopped, on a thread of its own; over TLS where an identity is given. Where the listener is on a
/// loopback address, only requests to such a host are answered.
pub fn serve(listener: TcpListener, tls: Option<&Identity>, api: Api) -> io::Result<Server> {
    let on_loopback = listener.local_addr()?.ip().is_loopback();
    let subscribers = Arc::new(Semaphore::new(status_page::MAX_SUBSCRIBERS));
    let guesses = Arc::new(Guesses::default());
    let table =
        Arc::new(status_page::Table::new(api.accounts.clone(), api.live.clone(), api.letters.clone()));
    let server = HttpServer::new(move || {
        let mut app = App::new().into_utoipa_app().openapi(Description::openapi());
        app = app.app_data(web::Data::new(api.clone())).app_data(web::Data::from(subscribers.clone()));
        app = app.app_data(web::Data::from(table.clone())).app_data(web::Data::from(guesses.clone()));
        let (app, document) = app.configure(routes).split_for_parts();
        app.configure(status_page::routes)
            .app_data(web::Data::new(document))
            .default_service(web::to(answer::not_found))
            .wrap(from_fn(move |request, next| host::check(on_loopback, request, next)))
            .wrap(
                DefaultHeaders::new()
                    .add(("content-security-policy", CONTENT_SECURITY_POLICY))
                    .add(("x-content-type-options", "nosniff"))
                    .add(("x-frame-options", "DENY"))
                    .add(("referrer-policy", "no-referrer"))
                    .add(("cross-origin-resource-policy", "same-origin"))
                    .add(("cross-origin-opener-policy", "same-origin"))
                    .add(("cache-control", "no-store")),
            )
    });
    let server = server
        .workers(1)
        .max_connections(MAX_CONNECTIONS)
        // Who has gone is gone at once, and its place in a stream is free.
        .h1_allow_half_closed(false)
        .client_request_timeout(HEAD_LIMIT)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(SHUTDOWN_LIMIT_SECONDS)
        .disable_signals()
        .tls_handshake_timeout(HEAD_LIMIT);
    let server = match tls {
        Some(identity) => {
            let tls = identity.server().map_err(io::Error::other)?;
            server.listen_rustls_0_23(listener, tls)?
        }
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

/// Each has its description at the handler.
fn routes(config: &mut ServiceConfig<'_>) {
    config
        .app_data(
            web::JsonConfig::default().limit(MAX_BODY).error_handler(|error, _| answer::bad_request(&error)),
        )
        .app_data(web::QueryConfig::default().error_handler(|error, _| answer::bad_request(&error)))
        .service(checks::healthz)
        .service(checks::readyz)
        .service(metrics::metrics)
        .service(accounts::list)
        .service(accounts::one)
        .service(accounts::run)
        .service(pauses::pause)
        .service(pauses::resume)
        .service(runs::list)
        .service(dead_letters::list)
        .service(dead_letters::replay)
        .service(description);
}

#[derive(OpenApi)]
#[openapi(
    info(title = "campaign-sync", description = "What `campaign-sync serve` tells and takes over HTTP."),
    components(schemas(Problem)),
    modifiers(&Token)
)]
struct Description;

/// What you are reading.
#[utoipa::path(responses((status = OK, description = "As OpenAPI 3.1.", body = serde_json::Value)))]
#[get("/api/openapi.json")]
async fn description(document: web::Data<utoipa::openapi::OpenApi>) -> web::Json<utoipa::openapi::OpenApi> {
    web::Json(document.get_ref().clone())
}
