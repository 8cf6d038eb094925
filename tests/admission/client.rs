//! An HTTP client under the test's control, which can also violate the protocol.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::CertificateDer};
use trocar_test_support::PATIENCE;

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The server announced that it closes the connection.
    pub(crate) is_last: bool,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A persistent connection.
pub(crate) struct Client(BufReader<Box<dyn Stream>>);

impl Client {
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self(BufReader::new(Box::new(connect(address))))
    }

    /// Connects with TLS. Fails if the handshake fails.
    pub(crate) fn tls(address: SocketAddr, config: Arc<ClientConfig>) -> Result<Self, String> {
        let name = "localhost".try_into().expect("localhost is a name");
        let session = ClientConnection::new(config, name).expect("the configuration is complete");
        let mut stream = StreamOwned::new(session, connect(address));
        let handshake = stream.conn.complete_io(&mut stream.sock);
        handshake.map_err(|error| error.to_string())?;
        Ok(Self(BufReader::new(Box::new(stream))))
    }

    /// Sends raw bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server takes what is sent");
    }

    /// The same, if the server may have closed the connection.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(bytes).and_then(|()| stream.flush())
    }

    pub(crate) fn post(&mut self, path: &str, body: &[u8]) -> Answer {
        self.try_post(path, body).expect("the server answers")
    }

    pub(crate) fn try_post(&mut self, path: &str, body: &[u8]) -> Option<Answer> {
        let head = head("POST", path, body.len());
        self.try_send(head.as_bytes()).ok()?;
        self.try_send(body).ok()?;
        self.try_answer()
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(head("GET", path, 0).as_bytes());
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("the server answers")
    }

    /// The next answer; none if the server closed the connection.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        let mut status = 0;
        let mut length = 0;
        let mut is_last = false;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.split(' ').next()?.parse().ok()?;
            }
            is_last |= line == "connection: close";
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some(Answer {
            status,
            is_last,
            body,
        })
    }
}

pub(crate) fn head(method: &str, path: &str, length: usize) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a limit can be set");
    stream
}

/// A client that trusts these certificates, and has one of its own or none.
pub(crate) fn trusting(
    roots: &[CertificateDer<'static>],
    own: Option<&rcgen::CertifiedKey<rcgen::KeyPair>>,
) -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).expect("a certificate of ours is one");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_root_certificates(store);
    Arc::new(match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let key = own
                .signing_key
                .serialize_der()
                .try_into()
                .expect("a key of ours is one");
            let chain = vec![own.cert.der().clone()];
            builder
                .with_client_auth_cert(chain, key)
                .expect("they belong together")
        }
    })
}
