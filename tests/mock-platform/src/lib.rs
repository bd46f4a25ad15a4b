//! The reference ad platform, over real HTTP/1.1: its endpoints, its rate limit, its faults, and an honest count
//! of what it saw. It shares no code and no executor with the program under test: a witness must not share bugs,
//! and must not be what is measured.
//!
//! The way of a request:
//! 1. [`server`] accepts connections and reads; [`http`] parses a request, and later writes the answer.
//! 2. [`routes`] decides, at once and without waiting: who asks ([`tokens`]), may they ([`clients`], [`limiter`]),
//!    what goes wrong ([`mod@fault`], [`faults`]), what is answered ([`listing`], [`catalogue`]), what its head says of
//!    the limits ([`quota_headers`]), what a fault makes of it all ([`spoiling`]). The result is a value, an
//!    [`answer::Answer`]: which bytes, when, and how they are delivered.
//! 3. [`delivery`] carries that value out, and [`stats`] counts it.

mod answer;
mod catalogue;
mod clients;
mod delivery;
mod fault;
mod faults;
mod http;
mod limiter;
mod listing;
mod quota_headers;
mod routes;
mod server;
mod settings;
mod spoiling;
mod stats;
mod tokens;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

pub use catalogue::{Campaign, campaign};
pub use fault::{Fault, check_faults};
pub use settings::{EMAIL, PASSWORD, RateLimit, RateLimitHeaders, RetryHint, Settings};
pub use stats::{BusiestWindow, Stats};

use routes::Platform;

/// Connections that wait to be accepted: a thousand clients may start in the same millisecond.
const BACKLOG: u32 = 1024;

/// A running platform. It ends when it is stopped or dropped.
pub struct MockPlatform {
    addr: SocketAddr,
    platform: Arc<Mutex<Platform>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MockPlatform {
    /// Starts a platform that listens on `addr` (port 0: any free port) and runs on a thread and an executor of
    /// its own. It answers as soon as this returns. May be called from anywhere, also from within a runtime.
    ///
    /// # Errors
    /// `InvalidInput` names the setting that cannot be; every other error is the operating system's, about the
    /// address or the thread.
    pub fn start(settings: Settings, addr: SocketAddr) -> io::Result<MockPlatform> {
        settings.validate().map_err(|what| io::Error::new(io::ErrorKind::InvalidInput, what))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listening = {
            let _entered = runtime.enter();
            listen(addr)
        };
        let (listener, addr) = match listening {
            Ok(listening) => listening,
            Err(error) => {
                // To drop a runtime within another is a panic.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let platform = Arc::new(Mutex::new(Platform::new(settings)));
        let (stop, stopped) = oneshot::channel();
        let serving = server::serve(listener, Arc::clone(&platform), stopped);
        let thread = std::thread::Builder::new()
            .name("mock-platform".into())
            .spawn(move || runtime.block_on(serving))?;
        Ok(MockPlatform { addr, platform, stop: Some(stop), thread: Some(thread) })
    }

    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base URL, without a slash at its end: `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What it has seen so far.
    pub fn stats(&self) -> Stats {
        routes::lock(&self.platform).stats()
    }

    /// From now on nothing goes wrong any more: no 503, no hang, no fault. Limits, latencies and campaigns stay.
    pub fn calm(&self) {
        routes::lock(&self.platform).calm();
    }

    /// Closes every connection, also the hung ones, ends the thread and says what it has seen.
    pub fn stop(mut self) -> Stats {
        self.halt();
        self.stats()
    }

    fn halt(&mut self) {
        // An error from either means that the thread has ended already, which is what is wanted.
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(addr: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    let listener = socket.listen(BACKLOG)?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

impl Drop for MockPlatform {
    fn drop(&mut self) {
        self.halt();
    }
}
