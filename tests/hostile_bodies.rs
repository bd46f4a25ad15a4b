//! A body that never ends takes no more memory than its bound, packed or not. A test binary of its own: it counts
//! every allocation, also those of the mock platform, which are small.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::time::Duration;

use actors::model::{AccessToken, FailureClass, PageRequest};
use actors::permit::Permit;
use actors::ports::Platform;
use campaign_sync::platform::{Connections, HttpPlatform, PlatformSettings};
use flate2::{Compress, Compression, FlushCompress};
use mock_platform::{EMAIL, Fault, MockPlatform, PASSWORD, Settings};
use peak_alloc::PeakAlloc;
use tokio::sync::Mutex;

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

const MIB: usize = 1024 * 1024;

/// Two bodies in three meet the fault.
fn platform(fault: Fault) -> MockPlatform {
    let faults = vec![(fault, 0.67)];
    let settings = Settings { rate_limits: vec![], list_error_every: None, faults, ..Settings::default() };
    MockPlatform::start(settings, SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port")
}

fn client(mock: &MockPlatform) -> HttpPlatform {
    client_of(&mock.url())
}

fn client_of(url: &str) -> HttpPlatform {
    // The bound has to end it, and not the time.
    client_within(url, Duration::from_secs(60))
}

fn client_within(url: &str, request_timeout: Duration) -> HttpPlatform {
    let connections = Connections::plain(1).expect("nothing is sent yet");
    let settings = PlatformSettings {
        base_url: url.parse().expect("it is a URL"),
        account: "acme".into(),
        email: EMAIL.to_owned(),
        password: PASSWORD.into(),
        request_timeout,
    };
    HttpPlatform::new(settings, &connections).expect("nothing is sent yet")
}

/// What a call takes at the most, over so many of them.
async fn peak_of(calls: u32, mut call: impl AsyncFnMut()) -> usize {
    PEAK.reset_peak_usage();
    let before = PEAK.current_usage();
    for _ in 0..calls {
        call().await;
    }
    PEAK.peak_usage() - before
}

/// Of this binary's tests, one at a time allocates.
static TURN: Mutex<()> = Mutex::const_new(());

#[actix::test]
async fn a_body_that_never_ends_takes_no_more_memory_than_its_bound() {
    let _turn = TURN.lock().await;
    for (fault, most_of_a_login, most_of_a_page) in [
        // Their bounds are 1 and 16 MiB, and a buffer that grows doubles.
        (Fault::BodyEndless, 4 * MIB, 48 * MIB),
        // The packed one is there beside what it unpacks to.
        (Fault::GzipBomb, 8 * MIB, 72 * MIB),
    ] {
        let mock = platform(fault);
        let client = client(&mock);
        let mut token = None;
        let login = peak_of(20, async || {
            if let Ok(login) = client.login(Permit::for_test()).await {
                token = Some(AccessToken { secret: login.token, generation: 1 });
            }
        });
        let login = login.await;
        let token = token.expect("one login in three is answered well");
        let logins = mock.stats().struck(fault);
        let first = PageRequest { page: 1, limit: NonZeroU32::MIN };
        let page = peak_of(10, async || {
            let _ = client.list(Permit::for_test(), &token, first).await;
        });
        let page = page.await;
        assert!(logins > 0 && mock.stop().struck(fault) > logins, "{fault:?} strikes both");
        assert!(login > MIB && login < most_of_a_login, "{fault:?}: {login} bytes for a login");
        assert!(page > 16 * MIB && page < most_of_a_page, "{fault:?}: {page} bytes for a page");
    }
}

/// Answers one request with ten gigabytes of spaces, packed into ten megabytes; how much of that was taken.
fn bomb() -> (SocketAddr, std::thread::JoinHandle<usize>) {
    let mut part = Vec::with_capacity(MIB);
    let mut packer = Compress::new(Compression::best(), false);
    packer.compress_vec(&vec![b' '; 10 * MIB], &mut part, FlushCompress::Full).expect("there is room");
    assert_eq!(packer.total_in() as usize, 10 * MIB);
    let packed = 1024 * part.len();
    assert!((8 * MIB..12 * MIB).contains(&packed), "{packed}");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let serving = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("somebody comes");
        let _ = connection.read(&mut [0; 4096]).expect("a request");
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            10 + packed
        );
        // A packed part ends at a byte and needs nothing of what was before, so the same one follows itself.
        let begin = [head.as_bytes(), &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]].concat();
        let mut taken = 0;
        if connection.write_all(&begin).is_ok() {
            while taken < packed && connection.write_all(&part).is_ok() {
                taken += part.len();
            }
        }
        taken
    });
    (address, serving)
}

#[actix::test]
async fn ten_gigabytes_in_a_body_of_ten_megabytes_take_no_more_memory_than_any_other_page() {
    let _turn = TURN.lock().await;
    let (address, serving) = bomb();
    let client = client_of(&format!("http://{address}"));
    let token = AccessToken { secret: "token".into(), generation: 1 };
    let first = PageRequest { page: 1, limit: NonZeroU32::MIN };
    let mut refusal = String::new();
    let peak = peak_of(1, async || {
        let page = client.list(Permit::for_test(), &token, first).await;
        refusal = page.expect_err("it is too large").to_string();
    });
    let peak = peak.await;
    assert!(refusal.ends_with("but its body is larger than 16777216 bytes"), "{refusal}");
    assert!(peak > 16 * MIB && peak < 80 * MIB, "{peak} bytes");
    assert!(serving.join().expect("it does not panic") > 8 * MIB, "all of it was read");
}

/// A chunk's extension is no body: no bound of one sees it, and it is read byte by byte.
#[actix::test]
async fn bytes_that_never_end_and_are_no_body_are_read_for_as_long_as_a_request_may_take() {
    let _turn = TURN.lock().await;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let serving = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("somebody comes");
        let _ = connection.read(&mut [0; 4096]).expect("a request");
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;";
        let mut taken = 0_usize;
        if connection.write_all(head).is_ok() {
            while connection.write_all(&[b'x'; 64 * 1024]).is_ok() {
                taken += 1;
            }
        }
        taken
    });
    let client = client_within(&format!("http://{address}"), Duration::from_secs(1));
    let outcome = tokio::time::timeout(Duration::from_secs(60), client.login(Permit::for_test())).await;
    let error = outcome.expect("its time is over").expect_err("it is no answer");
    assert_eq!(error.class(), FailureClass::Timeout, "{error}");
    assert!(serving.join().expect("it does not panic") > 0, "some of it was read");
}
