//! Standard error: a thread of its own writes to it, so that a reader who does not read can neither hold up a run nor its
//! stopping. Promises that lines come out in order, none torn and none through a progress bar; that they take a bounded
//! memory; and that where lines had to be dropped for that, their number is logged.
//! (Not `tracing-appender`: where the reader is stuck, it complains at the end on standard output, which is the report's
//! alone; and it bounds lines, not bytes.)

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::MultiProgress;
use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that wait for the reader: some ten thousand lines, for bursts at the level `trace`.
const MOST_WAITING: usize = 4 * 1024 * 1024;
/// How long the end of the program waits for the last lines. Who reads at all has them in milliseconds.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// A clone writes to the same.
#[derive(Clone)]
pub struct StandardError {
    queue: Arc<Queue>,
    bars: MultiProgress,
}

impl StandardError {
    /// Starts its thread. To be called once: two would tear each other's lines.
    pub fn start() -> io::Result<Self> {
        let started = Self { queue: Arc::default(), bars: MultiProgress::new() };
        let (queue, bars) = (started.queue.clone(), started.bars.clone());
        let on_terminal = io::stderr().is_terminal();
        let writing = move || {
            loop {
                let line = queue.next();
                let write = || io::stderr().write_all(&line);
                // Elsewhere there are no bars, and nobody may wait for the lock on them while a line is not read. A reader
                // that has gone away must not stop the run either.
                let _ = if on_terminal { bars.suspend(write) } else { write() };
                let dropped = queue.dropped_before();
                if dropped > 0 {
                    warn!(lines = dropped, "log lines were dropped: nobody read standard error in time");
                }
            }
        };
        thread::Builder::new().name("standard error".to_owned()).spawn(writing)?;
        Ok(started)
    }

    /// The progress bars, above which the lines come out.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Leaves a line to be written, a line break after it.
    pub fn line(&self, line: &str) {
        self.queue.push(format!("{line}\n").into_bytes());
    }

    /// Waits until all lines are written, or until it is clear that nobody reads them.
    pub fn flush(&self) {
        self.queue.wait_until_empty(FLUSH_LIMIT);
    }
}

impl Write for StandardError {
    /// Takes all of it, as one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.push(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for StandardError {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Lines that wait to be written.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The writer has nothing in hand.
    idle: bool,
    dropped: u64,
}

impl Queue {
    fn push(&self, line: Vec<u8>) {
        let mut state = self.lock();
        if state.bytes + line.len() > MOST_WAITING {
            state.dropped += 1;
            return;
        }
        state.bytes += line.len();
        state.waiting.push_back(line);
        state.idle = false;
        self.changed.notify_all();
    }

    /// Waits for it.
    fn next(&self) -> Vec<u8> {
        let mut state = self.lock();
        loop {
            if let Some(line) = state.waiting.pop_front() {
                state.bytes -= line.len();
                return line;
            }
            state.idle = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How many were dropped, once all that waited is written: sooner, the word of it might be dropped, too.
    fn dropped_before(&self) -> u64 {
        let mut state = self.lock();
        if state.waiting.is_empty() { std::mem::take(&mut state.dropped) } else { 0 }
    }

    fn wait_until_empty(&self, limit: Duration) {
        let waited = self.changed.wait_timeout_while(self.lock(), limit, |state| !state.idle);
        drop(waited);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_in_order_and_the_end_waits_for_the_last() {
        let queue = Arc::new(Queue::default());
        (0..100).for_each(|line| queue.push(vec![line]));
        let reading = queue.clone();
        let reader = thread::spawn(move || (0..100).map(|_| reading.next()[0]).collect::<Vec<u8>>());
        assert_eq!(reader.join().expect("it reads"), (0..100).collect::<Vec<u8>>());
        assert!(!queue.lock().idle, "the last line is still in hand");
        let reading = queue.clone();
        thread::spawn(move || reading.next());
        queue.wait_until_empty(Duration::MAX);
        assert!(queue.lock().idle);
    }

    #[test]
    fn what_nobody_reads_takes_a_bounded_memory_and_is_counted() {
        let queue = Queue::default();
        let line = vec![b'x'; MOST_WAITING / 4];
        (0..6).for_each(|_| queue.push(line.clone()));
        assert_eq!(queue.lock().bytes, MOST_WAITING);
        assert_eq!(queue.dropped_before(), 0, "not all is written");
        (0..4).for_each(|_| assert_eq!(queue.next(), line));
        assert_eq!(queue.lock().bytes, 0);
        assert_eq!((queue.dropped_before(), queue.dropped_before()), (2, 0));
    }

    #[test]
    fn the_end_does_not_wait_for_a_reader_that_does_not_read() {
        let queue = Queue::default();
        queue.push(vec![b'x']);
        queue.wait_until_empty(Duration::from_millis(1));
        assert!(!queue.lock().idle);
    }
}
