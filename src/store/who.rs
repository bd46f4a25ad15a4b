//! Who does what the audit log records: a process, its command, the user and the host of the system, and for what is asked
//! over HTTP the address of whoever asked.

use std::sync::{LazyLock, OnceLock};

use nix::unistd::{User, geteuid, gethostname};
use serde_json::{Value, json};

/// A process does one command.
static COMMAND: OnceLock<&'static str> = OnceLock::new();
static PROCESS: LazyLock<Value> = LazyLock::new(|| {
    let user = geteuid();
    let name = User::from_uid(user).ok().flatten().map(|user| user.name);
    let host = gethostname().ok().map(|name| name.to_string_lossy().into_owned());
    json!({
        "command": COMMAND.get().copied().unwrap_or(env!("CARGO_PKG_NAME")),
        "process": std::process::id(),
        // One that has no name is known by its number.
        "os_user": name.unwrap_or_else(|| user.to_string()),
        "host": host,
    })
});

/// From now on the audit log names this command. The first word counts, and it has to come before the first connection.
pub fn acting_as(command: &'static str) {
    // What was said first stands.
    let _ = COMMAND.set(command);
}

/// As `audit_log.who` has it.
pub(super) fn this_process() -> String {
    PROCESS.to_string()
}

/// The same, for what an operator asked for from this address.
pub(super) fn operator(address: &str) -> String {
    let mut who = PROCESS.clone();
    who["operator"] = address.into();
    who.to_string()
}
