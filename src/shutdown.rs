//! How a run is stopped from outside: SIGINT or SIGTERM once, and it winds down; twice, and it ends at once.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code after the second signal, and of an interrupted run.
const INTERRUPTED: i32 = 130;

/// Ready at the first signal. From then on a second one ends the process: what is acknowledged is committed, so
/// nothing of it is lost.
pub fn requested() -> io::Result<impl Future<Output = ()>> {
    let mut signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        either(&mut signals).await;
        actix_rt::spawn(async move {
            either(&mut signals).await;
            std::process::exit(INTERRUPTED);
        });
    })
}

async fn either((interrupt, terminate): &mut (Signal, Signal)) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
