//! The HTTP of `serve` over TLS, by the whole program.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use awc::http::{StatusCode, Version};
use awc::{Client, Connector};
use campaign_sync::private_postgres::{ThrowawayPostgres, throwaway};
use mock_platform::{EMAIL, MockPlatform, PASSWORD};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificates::{Authority, Identity, Valid, written};
use crate::platform::{address, quick_platform};

/// For what comes soon or never.
const PATIENCE: Duration = Duration::from_secs(60);

/// Until it says where it serves; what it says from then on can be waited for.
fn begin(words: Vec<String>, database_url: String) -> (Started, SocketAddr, Receiver<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campaign-sync"));
    command.args(words).env_clear().current_dir("/").stderr(Stdio::piped());
    command.env("AD_PLATFORM_PASSWORD", PASSWORD).env("DATABASE_URL", database_url);
    let mut child = Started(command.spawn().unwrap());
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains("\"serving\"")).unwrap();
    let (sender, said) = channel();
    // Whoever writes to it must not be stopped by nobody reading.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| sender.send(line).unwrap_or(())));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["encrypted"], true);
    (child, line["address"].as_str().unwrap().parse().unwrap(), said)
}

fn trusting(authority: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    client.with_root_certificates(roots).with_no_client_auth()
}

async fn connect(
    address: SocketAddr,
    believed: &str,
    name: &'static str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(trusting(believed)))
        .connect(ServerName::try_from(name).unwrap(), stream)
        .await
}

async fn ask(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = vec![];
    // Whether or not it says goodbye.
    let _ = stream.read_to_end(&mut answer).await;
    Ok(String::from_utf8(answer).unwrap())
}

async fn health(address: SocketAddr, believed: &str, name: &'static str) -> std::io::Result<String> {
    ask(&mut connect(address, believed, name).await?).await
}

/// Ended with the test, also one that fails.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // Where it has ended by itself, there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A service with such a certificate in files of that folder, as they are written there.
struct Service {
    folder: tempfile::TempDir,
    child: Started,
    address: SocketAddr,
    said: Option<Receiver<String>>,
    platform: MockPlatform,
    _postgres: ThrowawayPostgres,
}

impl Service {
    async fn start(identity: &Identity) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = files(&folder, identity);
        let (platform, postgres) = (quick_platform(), throwaway().await.unwrap());
        postgres.create_database("ads").await.unwrap();
        let database =
            format!("host='{}' user=campaign_sync dbname=ads", postgres.socket_directory().display());
        let words = format!(
            "serve --api-url http://{} --email {EMAIL} --schedule 31d --listen 127.0.0.1:0 \
             --listen-certificate {certificate} --listen-key {key} --log-format json",
            address(&platform)
        );
        let words = words.split_whitespace().map(str::to_owned).collect();
        let begun = tokio::task::spawn_blocking(move || begin(words, database)).await.unwrap();
        let (child, address, said) = begun;
        Self { folder, child, address, said: Some(said), platform, _postgres: postgres }
    }

    /// The next line of its log with these words.
    async fn says(&mut self, words: &'static str) {
        let said = self.said.take().unwrap();
        let wait = move || {
            while !said
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("{words:?} was not said"))
                .contains(words)
            {}
            said
        };
        self.said = Some(tokio::task::spawn_blocking(wait).await.unwrap());
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.0.id()).unwrap()), signal).unwrap();
    }

    async fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let ended = tokio::task::spawn_blocking(move || self.child.0.wait()).await.unwrap().unwrap();
        assert_eq!(ended.code(), Some(0));
        self.platform.stop();
    }
}

/// By HTTP/2 alone.
async fn health_by_http2(address: SocketAddr, believed: &str) -> (Version, StatusCode) {
    let mut client = trusting(believed);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let connector = Connector::new().rustls_0_23(Arc::new(client));
    let client = Client::builder().connector(connector).finish();
    let url = format!("https://localhost:{}/healthz", address.port());
    let answer = client.get(url).send().await.unwrap();
    (answer.version(), answer.status())
}

fn files(folder: &tempfile::TempDir, identity: &Identity) -> (String, String) {
    let file = |name: &str, text: &str| written(folder.path(), name, text).display().to_string();
    (file("server.pem", &identity.certificate), file("server-key.pem", &identity.key))
}

#[tokio::test]
async fn the_service_shows_its_certificate_and_answers_nobody_without_tls() {
    let authority = Authority::new("ours");
    let service = Service::start(&authority.issues(&["localhost"], Valid::Now)).await;

    let answer = health(service.address, &authority.pem, "localhost").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(health(service.address, &Authority::new("theirs").pem, "localhost").await.is_err());
    assert!(health(service.address, &authority.pem, "elsewhere.example").await.is_err());
    let mut plain = TcpStream::connect(service.address).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = vec![];
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    service.stop().await;
}

#[tokio::test]
async fn browsers_that_speak_http2_are_answered_by_the_same_names() {
    let authority = Authority::new("ours");
    let service = Service::start(&authority.issues(&["localhost"], Valid::Now)).await;
    let asked = LocalSet::new();
    let answer = asked.run_until(health_by_http2(service.address, &authority.pem)).await;
    assert_eq!(answer, (Version::HTTP_2, StatusCode::OK));
    service.stop().await;
}

#[tokio::test]
async fn a_certificate_that_was_renewed_is_shown_after_a_reload_and_who_is_connected_stays_so() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let mut service = Service::start(&old.issues(&["localhost"], Valid::Now)).await;
    let mut connected = connect(service.address, &old.pem, "localhost").await.unwrap();
    files(&service.folder, &new.issues(&["localhost"], Valid::Now));
    assert!(health(service.address, &new.pem, "localhost").await.is_err(), "nobody has said so yet");
    service.signal(Signal::SIGHUP);
    service.says("another certificate is shown").await;
    assert!(health(service.address, &new.pem, "localhost").await.is_ok());
    assert!(health(service.address, &old.pem, "localhost").await.is_err());
    assert!(ask(&mut connected).await.unwrap().starts_with("HTTP/1.1 200"));
    service.stop().await;
}

#[tokio::test]
async fn a_key_that_is_not_the_new_certificates_is_refused_and_the_old_ones_stay() {
    let authority = Authority::new("ours");
    let mut service = Service::start(&authority.issues(&["localhost"], Valid::Now)).await;
    // As in the middle of a renewal.
    written(service.folder.path(), "server-key.pem", &authority.issues(&["localhost"], Valid::Now).key);
    service.signal(Signal::SIGHUP);
    service.says("is not the key of the certificate").await;
    assert!(health(service.address, &authority.pem, "localhost").await.is_ok());
    service.stop().await;
}
