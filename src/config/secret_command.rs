//! Secrets that programs print: each program once, some at a time, each within a time and a size, and ended with whatever
//! it started when it is late.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A password or a connection string, with much room.
pub const MAX_SECRET_BYTES: u64 = 64 * 1024;
/// A password manager that asks somewhere else has answered by then.
const PATIENCE: Duration = Duration::from_secs(10);
/// Each is a process of its own, and most wait for the same server.
const AT_ONCE: usize = 8;

type Words = Vec<String>;
type Output = Result<SecretString, String>;

/// What the commands printed that have been run.
#[derive(Default)]
pub(super) struct Outputs(HashMap<Words, Output>);

impl Outputs {
    /// Runs these, unless they have been.
    pub(super) fn run(&mut self, mut commands: HashSet<Words>, folder: &Path) {
        commands.retain(|words| !self.0.contains_key(words));
        if !commands.is_empty() {
            self.0.extend(run_all(commands, folder, PATIENCE));
        }
    }

    /// What this one prints, and why not otherwise.
    pub(super) fn of(&mut self, words: &Words, folder: &Path) -> Output {
        self.run(HashSet::from([words.clone()]), folder);
        self.0.get(words).cloned().unwrap_or_else(|| Err("its command was not run".to_owned()))
    }
}

/// What it prints now. Of all that are asked so at once, as many as at the start run together.
pub(super) fn run_once(words: &Words, folder: &Path) -> Output {
    static PLACES: Mutex<usize> = Mutex::new(AT_ONCE);
    static LEFT: Condvar = Condvar::new();
    let free = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    let mut free = LEFT.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
    *free -= 1;
    drop(free);
    let output = run_alone(words, folder);
    *PLACES.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    LEFT.notify_one();
    output
}

fn run_alone(words: &Words, folder: &Path) -> Output {
    let outputs = run_all(HashSet::from([words.clone()]), folder, PATIENCE);
    outputs.into_values().next().unwrap_or_else(|| Err("its command was not run".to_owned()))
}

/// The text without the newline at its end.
pub(super) fn without_newline(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}

/// On a thread of its own: settings are read before anything else runs, but within the runtime of what runs then.
fn run_all(commands: HashSet<Words>, folder: &Path, patience: Duration) -> HashMap<Words, Output> {
    let refused = |reason: &str| {
        let refused = commands.iter().map(|words| (words.clone(), Err(reason.to_owned())));
        refused.collect::<HashMap<_, _>>()
    };
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.ok().map(|runtime| runtime.block_on(run_some_at_a_time(&commands, folder, patience)))
    };
    let outputs = std::thread::scope(|scope| scope.spawn(run).join());
    outputs.ok().flatten().unwrap_or_else(|| refused("no command can be run"))
}

async fn run_some_at_a_time(
    commands: &HashSet<Words>,
    folder: &Path,
    patience: Duration,
) -> HashMap<Words, Output> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for words in commands.iter().cloned() {
        let (turns, folder) = (turns.clone(), folder.to_owned());
        running.spawn(async move {
            let _turn = turns.acquire_owned().await;
            let output = run(&words, &folder, patience).await;
            let named = output.map_err(|reason| format!("the command {:?} {reason}", words[0]));
            (words, named)
        });
    }
    running.join_all().await.into_iter().collect()
}

async fn run(words: &Words, folder: &Path, patience: Duration) -> Output {
    let (program, arguments) = words.split_first().ok_or("has no program")?;
    // A path is relative to the configuration, as that of a file is; a name is looked up in PATH.
    let program = if program.contains('/') { folder.join(program) } else { program.into() };
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // It may hold whatever the program was asked for.
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let outcome = timeout(patience, output_of(&mut child)).await;
    if !matches!(outcome, Ok(Ok(_))) {
        end_with_all_it_started(&mut child).await;
    }
    outcome.map_err(|_| format!("has not ended within {} s", patience.as_secs()))?
}

async fn output_of(child: &mut Child) -> Output {
    let mut bytes = Zeroizing::new(Vec::new());
    if let Some(stdout) = child.stdout.take() {
        read(stdout, &mut bytes).await?;
    }
    let status = child.wait().await.map_err(|error| format!("cannot be waited for: {error}"))?;
    if !status.success() {
        return Err(format!("failed: {status}"));
    }
    let text = str::from_utf8(&bytes).map_err(|_| "printed what is not UTF-8")?;
    match without_newline(text) {
        "" => Err("printed nothing".to_owned()),
        secret => Ok(SecretString::from(secret)),
    }
}

async fn read(stdout: impl AsyncRead + Unpin, bytes: &mut Vec<u8>) -> Result<(), String> {
    let read = stdout.take(MAX_SECRET_BYTES + 1).read_to_end(bytes).await;
    read.map_err(|error| format!("cannot be read: {error}"))?;
    match bytes.len() as u64 > MAX_SECRET_BYTES {
        true => Err("printed more than 64 KiB".to_owned()),
        false => Ok(()),
    }
}

/// It has not been waited for, so its id is still its own.
async fn end_with_all_it_started(child: &mut Child) {
    if let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // Whoever has just ended needs no signal.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        let _ = child.wait().await;
    }
}

#[cfg(test)]
mod tests;
