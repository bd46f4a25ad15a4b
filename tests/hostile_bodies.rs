//! A body that never ends takes no more memory than its bound, packed or not. A test binary of its own: it counts
//! every allocation, also those of the mock platform, which are small.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use actors::model::{AccessToken, PageRequest};
use actors::permit::Permit;
use actors::ports::Platform;
use campaign_sync::platform::{Connections, HttpPlatform, PlatformSettings};
use mock_platform::{EMAIL, Fault, MockPlatform, PASSWORD, Settings};
use peak_alloc::PeakAlloc;

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
    let connections = Connections::plain(1).expect("nothing is sent yet");
    let settings = PlatformSettings {
        base_url: mock.url().parse().expect("the mock platform's URL is one"),
        account: "acme".into(),
        email: EMAIL.to_owned(),
        password: PASSWORD.into(),
        // The bound has to end it, and not the time.
        request_timeout: Duration::from_secs(60),
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

#[actix::test]
async fn a_body_that_never_ends_takes_no_more_memory_than_its_bound() {
    for (fault, most_of_a_login, most_of_a_page) in [
        // Their bounds are 1 and 16 MiB, and a buffer that grows doubles.
        (Fault::BodyEndless, 4 * MIB, 48 * MIB),
        // What is unpacked at once comes before the bound can be looked at: of 8 KiB at most 8 MiB.
        (Fault::GzipBomb, 28 * MIB, 72 * MIB),
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
