//! The platform's certificate: which are believed, and what is sent to whom.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actors::model::{AccessToken, Campaign, CampaignId, FailureClass, IdempotencyKey, PageRequest};
use actors::permit::Permit;
use actors::ports::{Platform, PlatformError};
use campaign_sync::platform::{Connections, HttpPlatform, PlatformSettings};
use campaign_sync::tls::Authorities;
use mock_platform::{EMAIL, MockPlatform, PASSWORD, Settings};
use secrecy::SecretString;
use uuid::Uuid;

use crate::certificates::{Authority, Valid, self_signed, written};
use crate::listener::Listener;

const HERE: &[&str] = &["127.0.0.1", "localhost"];
/// What a server answers that speaks TLS 1.1 and nothing newer: an alert, or its hello.
const TLS_1_0_ALERT: &[u8] = &[0x15, 3, 1, 0, 2, 2, 0x46];
const TLS_1_1_HELLO: &[u8] = &[
    0x16, 3, 2, 0, 42, // a record
    2, 0, 0, 38, // of a hello
    3, 2, // which chooses TLS 1.1,
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
    29, 30, 31, 32, // is random,
    0, 0, 0x2f, 0, // has no session, and chooses a cipher and no compression
];

pub(crate) fn quick_platform() -> MockPlatform {
    let settings = Settings {
        campaigns: 3,
        rate_limits: vec![],
        list_error_every: None,
        sync_latency: Duration::ZERO,
        ..Settings::default()
    };
    MockPlatform::start(settings, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}

pub(crate) fn address(platform: &MockPlatform) -> SocketAddr {
    platform.url().strip_prefix("http://").unwrap().parse().unwrap()
}

fn authorities(folder: &Path, authority: &Authority) -> Authorities {
    Authorities::of_file(&written(folder, "ca.pem", &authority.pem)).unwrap()
}

fn client(url: &str, authorities: &Authorities) -> HttpPlatform {
    let settings = PlatformSettings {
        base_url: url.parse().unwrap(),
        account: "acme".into(),
        email: EMAIL.to_owned(),
        password: PASSWORD.into(),
        // Nothing here should ever wait as long as this.
        request_timeout: Duration::from_secs(60),
    };
    HttpPlatform::new(settings, &Connections::encrypted(4, authorities).unwrap()).unwrap()
}

/// A login, a listing and a sync; the last two with a token of the login, or else with one of nobody's.
async fn ask_everything(client: &HttpPlatform) -> [Result<(), PlatformError>; 3] {
    let login = client.login(Permit::for_test()).await;
    let secret = login.as_ref().map_or_else(|_| SecretString::from("t0ken"), |login| login.token.clone());
    let token = AccessToken { secret, generation: 1 };
    let page = PageRequest { page: 1, limit: NonZeroU32::MIN };
    let list = client.list(Permit::for_test(), &token, page).await;
    let campaign = Arc::new(Campaign {
        id: CampaignId::from("camp_000001"),
        name: "Spring".into(),
        status: "active".into(),
        budget: "1".into(),
        impressions: 1,
        clicks: 2,
        conversions: 3,
        created_at: SystemTime::UNIX_EPOCH,
        payload: "{}".into(),
    });
    let key = IdempotencyKey::new(Uuid::nil(), &campaign.id);
    let sync = client.sync(Permit::for_test(), &token, &campaign, &key).await;
    [login.map(drop), list.map(drop), sync.map(drop)]
}

/// Each of the three fails as a connection that failed, in these words, and names where it was to go.
async fn assert_fails(what: &str, url: &str, authorities: &Authorities, says: &str) {
    let client = client(url, authorities);
    for outcome in ask_everything(&client).await {
        match outcome {
            Err(PlatformError::Transient { class: FailureClass::Connection, message }) => {
                println!("{what:<22} {message}");
                assert!(message.contains(says), "{what}: {message}");
                assert!(message.contains(url.strip_prefix("https://").unwrap()), "{what}: {message}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[actix::test]
async fn a_certificate_of_an_authority_of_ones_own_is_believed() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("ours"));
    let platform = quick_platform();
    let front = Listener::encrypted(&authority.issues(HERE, Valid::Now), address(&platform)).await;
    let authorities = authorities(folder.path(), &authority);
    for host in HERE {
        let client = client(&format!("https://{host}:{}", front.address.port()), &authorities);
        assert!(ask_everything(&client).await.iter().all(Result::is_ok), "{host}");
    }
    // And this is how a credential would have shown in the other tests.
    assert!(String::from_utf8_lossy(&front.read()).to_lowercase().contains("authorization: basic"));
    assert_eq!(platform.stop().count("sync", "200"), 2);
}

#[actix::test]
async fn a_certificate_that_cannot_be_believed_is_named_and_is_sent_nothing() {
    let (folder, ours, theirs) =
        (tempfile::tempdir().unwrap(), Authority::new("ours"), Authority::new("theirs"));
    let authorities = authorities(folder.path(), &ours);
    let platform = quick_platform();
    let mut read = Vec::new();
    for (what, identity, says) in [
        (
            "an unknown issuer",
            theirs.issues(HERE, Valid::Now),
            "issued by nobody who is believed here; name the file of its authority with --ca-file",
        ),
        ("self-signed", self_signed(HERE, false), "issued by nobody who is believed here"),
        ("expired", ours.issues(HERE, Valid::Before), "expired on 2020-01-01T00:00:00Z; renew it there"),
        (
            "not yet valid",
            ours.issues(HERE, Valid::Later),
            "valid only from 2090-01-01T00:00:00Z on; correct the clock here",
        ),
        (
            "another name",
            ours.issues(&["ads.example", "10.0.0.1"], Valid::Now),
            "not for 127.0.0.1 but for ads.example, 10.0.0.1",
        ),
        ("no name", ours.issues(&[], Valid::Now), "not for 127.0.0.1, as it has no name at all"),
    ] {
        let front = Listener::encrypted(&identity, address(&platform)).await;
        assert_fails(what, &format!("https://{}", front.address), &authorities, says).await;
        read.extend(front.read());
    }
    assert_eq!(read, b"", "something was sent to a server that is not believed");
    assert_eq!(platform.stop().connections, 0);
}

#[actix::test]
async fn a_server_that_speaks_no_tls_or_only_an_old_one_is_sent_nothing_that_can_be_read() {
    // Some authority, so that a client can be made on a system that has none.
    let folder = tempfile::tempdir().unwrap();
    let authorities = authorities(folder.path(), &Authority::new("of nobody here"));
    for (what, answer, says) in [
        (
            "plain HTTP",
            &b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"[..],
            "is not TLS; correct the port",
        ),
        ("TLS 1.0, an alert", TLS_1_0_ALERT, "let it speak TLS 1.3 or 1.2"),
        ("TLS 1.1, a hello", TLS_1_1_HELLO, "let it speak TLS 1.3 or 1.2"),
    ] {
        let server = Listener::saying(answer).await;
        assert_fails(what, &format!("https://{}", server.address), &authorities, says).await;
        let read = String::from_utf8_lossy(&server.read()).to_lowercase();
        assert!(
            !read.is_empty() && !read.contains("authorization") && !read.contains("http/1.1\r"),
            "{what}"
        );
    }
}
