//! The HTTP of `serve` over TLS, by the whole program.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use campaign_sync::private_postgres::throwaway;
use mock_platform::{EMAIL, PASSWORD};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::certificates::{Authority, Valid, written};
use crate::platform::{address, quick_platform};

/// Until it says where it serves.
fn begin(words: Vec<String>, database_url: String) -> (Child, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campaign-sync"));
    command.args(words).env_clear().current_dir("/").stderr(Stdio::piped());
    command.env("AD_PLATFORM_PASSWORD", PASSWORD).env("DATABASE_URL", database_url);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains("\"serving\"")).unwrap();
    // Whoever writes to it must not be stopped by nobody reading.
    std::thread::spawn(move || lines.for_each(drop));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["encrypted"], true);
    (child, line["address"].as_str().unwrap().parse().unwrap())
}

async fn health(address: SocketAddr, believed: &str, name: &'static str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(believed.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name).unwrap();
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = vec![];
    // Whether or not it says goodbye.
    let _ = stream.read_to_end(&mut answer).await;
    Ok(String::from_utf8(answer).unwrap())
}

#[tokio::test]
async fn the_service_shows_its_certificate_and_answers_nobody_without_tls() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("ours"));
    let identity = authority.issues(&["localhost"], Valid::Now);
    let certificate = written(folder.path(), "server.pem", &identity.certificate).display().to_string();
    let key = written(folder.path(), "server-key.pem", &identity.key).display().to_string();
    let (platform, postgres) = (quick_platform(), throwaway().await.unwrap());
    postgres.create_database("ads").await.unwrap();
    let database = format!("host='{}' user=campaign_sync dbname=ads", postgres.socket_directory().display());
    let words = format!(
        "serve --api-url http://{} --email {EMAIL} --schedule 31d --listen 127.0.0.1:0 --listen-certificate {certificate} \
         --listen-key {key} --log-format json",
        address(&platform)
    );
    let words = words.split_whitespace().map(str::to_owned).collect();
    let (mut child, address) = tokio::task::spawn_blocking(move || begin(words, database)).await.unwrap();

    let answer = health(address, &authority.pem, "localhost").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(health(address, &Authority::new("theirs").pem, "localhost").await.is_err());
    assert!(health(address, &authority.pem, "elsewhere.example").await.is_err());
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = vec![];
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));

    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
    platform.stop();
}
