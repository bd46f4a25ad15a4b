//! `serve`: every account on its schedule until the program is stopped, with HTTP for those who watch and operate it.
//! SIGHUP reads the configuration anew: what runs is left alone.

mod board;
mod configurator;
mod letter_counting;
mod upkeep;

use std::net::TcpListener;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use actix::Actor;
use anyhow::Context;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use self::board::Board;
use self::configurator::Configurator;
use self::letter_counting::LetterCounting;
use super::open::open;
use crate::cli::ServeArgs;
use crate::config::{DatabaseConfig, Environment, ServeConfig};
use crate::metrics::Metrics;
use crate::serve::http::{self, Api};
use crate::serve::letters::LetterCounts;
use crate::serve::live::Live;
use crate::serve::scheduler::{Scheduler, Shutdown as ShutDown};
use crate::serve::systemd;
use crate::shutdown::{INTERRUPTED, Shutdown};
use crate::store::Audited;
use crate::syncer::{Syncer, batch_limits};

/// Exit code 0 once it is stopped. Errors are those from before the first account is scheduled.
pub async fn run(config: ServeConfig, args: ServeArgs, shutdown: Shutdown) -> anyhow::Result<ExitCode> {
    let listen = config.listener.address;
    // Before anything else is started: most often it is the port that is taken.
    let listener = TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr().with_context(|| format!("cannot listen on {listen}"))?;
    let mut hangups = signal(SignalKind::hangup()).context("cannot listen for signals")?;
    let Some(database) = shutdown.or(open(&config.database, config.migrate)).await else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let database = database?;
    let store = &database.store;
    let metrics = Arc::new(Metrics::new()?);
    metrics.install()?;
    metrics.watch_pool(Some(store.watch_pool()));

    let (max_in_flight, authorities) = (config.max_in_flight.get(), config.authorities.clone());
    let syncer = Rc::new(Syncer::new(store.clone(), &config.accounts, max_in_flight, authorities));
    let (counts, live) = (LetterCounts::default(), Live::default());
    let letters = Rc::new(LetterCounting::new(counts.clone(), metrics.clone()));
    let board = Board::new(syncer.clone(), metrics.clone(), letters.clone(), live.clone());
    let (scheduler, accounts) = Scheduler::new(board.start(), Rc::new(Timestamp::now), rand::random());
    let scheduler = scheduler.start();
    let configurator = Configurator {
        store: store.clone(),
        metrics: metrics.clone(),
        letters: letters.clone(),
        board,
        scheduler: scheduler.clone(),
    };
    configurator.configure(&config, Audited::ConfigurationLoaded).await?;
    let tasks = [
        actix_rt::spawn(upkeep::count_dead_letters(letters.clone(), store.clone())),
        actix_rt::spawn(upkeep::fold(metrics.clone())),
        actix_rt::spawn(live.clone().follow()),
        actix_rt::spawn(systemd::feed_watchdog(scheduler.clone())),
    ];
    let rendered = metrics.clone();
    let api = Api {
        scheduler: scheduler.clone(),
        accounts,
        live,
        letters: counts,
        store: store.clone(),
        metrics: Arc::new(move || rendered.render()),
        checks: upkeep::checks(store, &scheduler),
        pausing: Arc::default(),
        token: config.api_token.clone(),
    };
    let server = http::serve(listener, config.listener.tls.as_ref(), api)
        .with_context(|| format!("cannot serve on {address}"))?;
    let http = server.handle();
    let server = actix_rt::spawn(server);
    info!(%address, encrypted = config.listener.tls.is_some(), accounts = config.accounts.len(), "serving");
    systemd::ready();

    while shutdown.or(hangups.recv()).await.is_some() {
        systemd::reloading();
        // Nor does an end wait for a reload: nothing has changed until all is known.
        shutdown.or(take_new_configuration(&args, &config, &configurator)).await;
        systemd::ready();
    }
    systemd::stopping();
    // It answers for as long as something runs, and so does the scheduler.
    let _ = scheduler.send(ShutDown).await;
    http.stop(true).await;
    let _ = server.await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    metrics.watch_pool(None);
    syncer.end().await;
    database.close().await;
    info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// A new password is no other database.
fn is_another_database(one: &DatabaseConfig, other: &DatabaseConfig) -> bool {
    match (&one.url, &other.url) {
        (Some(one), Some(other)) => !one.is_the_same_but_for_its_password(other),
        (one, other) => one.is_some() != other.is_some(),
    }
}

/// What was renewed, secrets and certificate, is taken at once: the database may be away, or need the new password. The accounts
/// change where it can be asked about them.
async fn take_new_configuration(args: &ServeArgs, at_start: &ServeConfig, configurator: &Configurator) {
    let Some(new) = reload(args, at_start).await else { return };
    if let (Some(used), Some(new)) = (&at_start.api_token, &new.api_token) {
        used.replace(new.newest());
    }
    if let (Some(used), Some(new)) = (&at_start.database.url, &new.database.url) {
        used.replace_text(new);
    }
    if let (Some(used), Some(new)) = (&at_start.listener.tls, &new.listener.tls)
        && used.replace(new)
    {
        info!("another certificate is shown from now on");
    }
    if let Err(cause) = configurator.configure(&new, Audited::ConfigurationReloaded).await {
        error!(cause = format!("{cause:#}"), "the new accounts and their settings are not used");
    }
}

/// The configuration as it is now; none where it is wrong: then the one before stays. Read on another thread, because a
/// secret's command may take seconds. Names what the service goes on with as it was at its start.
async fn reload(args: &ServeArgs, at_start: &ServeConfig) -> Option<ServeConfig> {
    let args = args.clone();
    let read = move || ServeConfig::load(&args, &Environment::of_process());
    let new = match tokio::task::spawn_blocking(read).await {
        Ok(Ok(new)) => new,
        Ok(Err(invalid)) => {
            error!(cause = %invalid, "the configuration is wrong, the one before stays");
            return None;
        }
        Err(cause) => {
            error!(%cause, "the configuration could not be read, the one before stays");
            return None;
        }
    };
    let needs_restart = [
        ("listen", new.listener.address != at_start.listener.address),
        ("listen_certificate", new.listener.tls.is_some() != at_start.listener.tls.is_some()),
        ("ca_file", new.authorities != at_start.authorities),
        ("max_in_flight", new.max_in_flight != at_start.max_in_flight),
        ("database_url", is_another_database(&new.database, &at_start.database)),
        ("log_level or log_format", new.log != at_start.log),
        ("otlp_endpoint", new.otlp_endpoint != at_start.otlp_endpoint),
        ("api_token", new.api_token.is_some() != at_start.api_token.is_some()),
        ("batch_size or batch_linger", batch_limits(&new.accounts) != batch_limits(&at_start.accounts)),
    ];
    for (setting, _) in needs_restart.into_iter().filter(|(_, has_changed)| *has_changed) {
        warn!(setting, "this has changed and is used only after a restart");
    }
    Some(new)
}
