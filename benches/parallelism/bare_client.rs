//! The least of clients: one connection, one request after the other, nothing read but the answer. What it sees of a
//! latency is what nobody can be quicker than: the platform's timers and the loopback are in it, the pipeline is not.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mock_platform::{EMAIL, PASSWORD};
use tokio::time::Instant;

/// Enough of them for a mean of timers that are a millisecond coarse.
const REQUESTS: u32 = 12;

/// The mean time from a login's sending to its answer. The platform's own latency is `nominal`.
pub(crate) fn latency(platform: SocketAddr, nominal: Duration) -> anyhow::Result<Duration> {
    let mean = ask(platform).context("the mock platform does not answer a bare client")?;
    anyhow::ensure!(mean >= nominal, "the mock platform answers in {mean:?} instead of {nominal:?}");
    Ok(mean)
}

fn ask(platform: SocketAddr) -> io::Result<Duration> {
    let login = BASE64_STANDARD.encode(format!("{EMAIL}:{PASSWORD}"));
    let request = format!(
        "POST /auth/token HTTP/1.1\r\nhost: {platform}\r\nauthorization: Basic {login}\r\ncontent-length: 0\r\n\r\n"
    );
    let mut connection = TcpStream::connect(platform)?;
    connection.set_nodelay(true)?;
    let mut in_all = Duration::ZERO;
    for _ in 0..REQUESTS {
        let sent = Instant::now();
        connection.write_all(request.as_bytes())?;
        // The mock writes an answer at once, and it is a few hundred bytes.
        if connection.read(&mut [0; 4096])? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        in_all += sent.elapsed();
    }
    Ok(in_all / REQUESTS)
}
