//! Servers that a client meets where it expects a platform: one that encrypts what is behind it, and one that says only
//! bytes. Both remember what they could read.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::certificates::Identity;

/// PostgreSQL's `SSLRequest`: its length, and a number that is no version.
const ASKS_FOR_ENCRYPTION: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];

/// Lives as long as the value.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    read: Arc<Mutex<Vec<u8>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Listener {
    /// TLS with this certificate, in front of another server.
    pub(crate) async fn encrypted(identity: &Identity, behind: SocketAddr) -> Self {
        let acceptor = acceptor(identity);
        Self::start(move |stream, read| {
            let acceptor = acceptor.clone();
            async move {
                // A client that does not believe us leaves.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let (mut from, mut to) = split(stream);
                let (mut answers, mut requests) = TcpStream::connect(behind).await.unwrap().into_split();
                let there = async {
                    while let Some(bytes) = next(&mut from, &read).await {
                        if requests.write_all(&bytes).await.is_err() {
                            return;
                        }
                    }
                };
                tokio::select! {
                    () = there => {}
                    _ = copy(&mut answers, &mut to) => {}
                }
            }
        })
        .await
    }

    /// Whatever comes, these bytes answer it.
    pub(crate) async fn saying(bytes: &'static [u8]) -> Self {
        Self::start(move |mut stream, read| async move {
            while next(&mut stream, &read).await.is_some() {
                if stream.write_all(bytes).await.is_err() {
                    return;
                }
            }
        })
        .await
    }

    /// A PostgreSQL that agrees to encrypt and then does not; who does not ask for it is let through to another server.
    pub(crate) async fn that_breaks_its_promise(behind: SocketAddr) -> Self {
        Self::start(move |mut stream, read| async move {
            let Some(first) = next(&mut stream, &read).await else { return };
            if first.starts_with(ASKS_FOR_ENCRYPTION) {
                let _ = stream.write_all(b"Sorry, this is no TLS").await;
                while next(&mut stream, &read).await.is_some() {}
                return;
            }
            let mut server = TcpStream::connect(behind).await.unwrap();
            server.write_all(&first).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut server).await;
        })
        .await
    }

    async fn start<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream, Arc<Mutex<Vec<u8>>>) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let read = Arc::<Mutex<Vec<u8>>>::default();
        let shared = Arc::clone(&read);
        let accepting = tokio::spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                serving.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, read, accepting }
    }

    /// What could be read of what clients sent.
    pub(crate) fn read(&self) -> Vec<u8> {
        self.read.lock().unwrap().clone()
    }
}

async fn next(stream: &mut (impl AsyncRead + Unpin), read: &Mutex<Vec<u8>>) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    stream.read_buf(&mut bytes).await.ok().filter(|length| *length > 0)?;
    read.lock().unwrap().extend(&bytes);
    Some(bytes)
}

fn acceptor(identity: &Identity) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config).into()
}
