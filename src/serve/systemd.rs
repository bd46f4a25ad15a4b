//! What systemd is told, where it has started the program and wants to know: otherwise nothing.

use std::io;
use std::time::Duration;

use actix::Addr;
use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::warn;

use super::scheduler::{Ping, Scheduler};

/// The accounts are scheduled; also at the end of a reload.
pub fn ready() {
    tell(Ok([NotifyState::Ready].as_slice()));
}

/// The configuration is read anew.
pub fn reloading() {
    let now = NotifyState::monotonic_usec_now();
    tell(
        now.map(|now| [NotifyState::Reloading, now])
            .as_ref()
            .map(<[_; 2]>::as_slice)
            .map_err(ToString::to_string),
    );
}

/// The program winds down.
pub fn stopping() {
    tell(Ok([NotifyState::Stopping].as_slice()));
}

/// Keeps the watchdog from barking for as long as the scheduler answers; ends when it is gone. Without a watchdog, at once.
pub async fn feed_watchdog(scheduler: Addr<Scheduler>) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    feed(scheduler, limit / 2).await;
}

async fn feed(scheduler: Addr<Scheduler>, every: Duration) {
    let mut beat = interval(every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        match timeout(every, scheduler.send(Ping)).await {
            Ok(Ok(())) => tell(Ok([NotifyState::Watchdog].as_slice())),
            Ok(Err(_)) => return,
            Err(_) => warn!("the scheduler does not answer: systemd is about to start the service anew"),
        }
    }
}

fn tell(state: Result<&[NotifyState<'_>], String>) {
    let told = state.and_then(|state| sd_notify::notify(state).map_err(|error: io::Error| error.to_string()));
    if let Err(cause) = told {
        warn!(cause, "systemd could not be told");
    }
}
