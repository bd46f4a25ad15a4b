//! How the program is stopped from outside: SIGINT or SIGTERM once, and it winds down; twice, and it ends at once.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::warn;

/// The exit code after the second signal, and of an interrupted run.
pub const INTERRUPTED: u8 = 130;

/// Knows whether a signal has come. To be made before anything is started that somebody would have to stop.
#[derive(Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Listens from now on. After the first signal, a second one ends the process: what is acknowledged is
    /// committed, so nothing of it is lost.
    pub fn listen() -> io::Result<Self> {
        let mut signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (stop, stopped) = watch::channel(false);
        actix_rt::spawn(async move {
            either(&mut signals).await;
            warn!("stopping: what is on its way gets a few seconds, a second signal ends at once");
            stop.send_replace(true);
            either(&mut signals).await;
            std::process::exit(INTERRUPTED.into());
        });
        Ok(Self(stopped))
    }

    /// Ready once a signal has come.
    pub async fn requested(mut self) {
        // Its sender lives as long as the program.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }

    /// The work's outcome, or none where a signal came before it was done; it is dropped then.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.clone().requested() => None,
            outcome = work => Some(outcome),
        }
    }
}

async fn either((interrupt, terminate): &mut (Signal, Signal)) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
