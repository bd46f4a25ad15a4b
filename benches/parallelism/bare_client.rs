//! The least of clients: as many connections as the cell has sync actors, on each one request after the other, nothing
//! read but the answer. What it sees of a latency is what nobody can be quicker than: the platform's timers, its
//! processor and the loopback are in it, the pipeline is not.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::try_join_all;
use mock_platform::{EMAIL, PASSWORD};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// On each connection: enough of them for a mean of timers that are a millisecond coarse.
const REQUESTS: u32 = 24;

/// The mean time from a login's sending to its answer. The platform's own latency is `nominal`.
pub(crate) async fn latency(
    platform: SocketAddr,
    nominal: Duration,
    connections: usize,
) -> anyhow::Result<Duration> {
    let asking = (0..connections).map(|_| ask(platform));
    let in_all: Duration =
        try_join_all(asking).await.context("the mock platform does not answer a bare client")?.iter().sum();
    let mean = in_all / (REQUESTS * connections as u32);
    anyhow::ensure!(mean >= nominal, "the mock platform answers in {mean:?} instead of {nominal:?}");
    Ok(mean)
}

async fn ask(platform: SocketAddr) -> io::Result<Duration> {
    let login = BASE64_STANDARD.encode(format!("{EMAIL}:{PASSWORD}"));
    let request = format!(
        "POST /auth/token HTTP/1.1\r\nhost: {platform}\r\nauthorization: Basic {login}\r\ncontent-length: 0\r\n\r\n"
    );
    let mut connection = TcpStream::connect(platform).await?;
    connection.set_nodelay(true)?;
    let mut in_all = Duration::ZERO;
    for _ in 0..REQUESTS {
        let sent = Instant::now();
        connection.write_all(request.as_bytes()).await?;
        // The mock writes an answer at once, and it is a few hundred bytes.
        if connection.read(&mut [0; 4096]).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        in_all += sent.elapsed();
    }
    Ok(in_all)
}
