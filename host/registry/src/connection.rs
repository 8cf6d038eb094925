//! One request over one connection, bounded in time and bytes.
//!
//! Connections are not reused, since a pull needs only three. Each address is checked after its name was resolved: the host of a
//! redirect may resolve to any address.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Body as _, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use trocar_core::percent::decoded;

use crate::{
    address::{Origin, is_local},
    client::Timeouts,
    error::RegistryError,
};

/// The longest head of a proxy's answer, in bytes.
const MAX_PROXY_HEAD: usize = 8 << 10;

/// The size in bytes from which on a request gets the time of an upload.
const LARGE: u64 = 64 << 10;

/// The settings of a connection.
pub(crate) struct Route<'a> {
    pub(crate) tls: &'a Arc<rustls::ClientConfig>,
    pub(crate) timeouts: &'a Timeouts,
    /// Refuses loopback and link-local addresses.
    pub(crate) refuses_local: bool,
    /// The proxy; none for a direct connection.
    pub(crate) proxy: Option<&'a Uri>,
}

/// An answer whose body was not read yet.
pub(crate) struct Answer {
    /// Host and port of the server.
    pub(crate) host: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    idle: Duration,
    deadline: Instant,
    _driver: Driver,
}

/// The task that drives a connection; aborted with its answer.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects, sends a request, and waits for the head of the answer.
pub(crate) async fn send(
    route: &Route<'_>,
    origin: &Origin,
    mut request: Request<Full<Bytes>>,
) -> Result<Answer, RegistryError> {
    let host = origin.authority();
    let deadline = Instant::now() + route.timeouts.whole;
    let late = |what| RegistryError::TimedOut {
        host: host.clone(),
        what,
    };
    let stream = timeout(route.timeouts.connect, connect(route, origin))
        .await
        .map_err(|_| late("does not answer"))??;
    let broken = |error: hyper::Error| RegistryError::Broken {
        host: host.clone(),
        why: reason(&error),
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let driver = Driver(tokio::spawn(async move {
        // The request reports the same error.
        drop(connection.await);
    }));
    // Hyper's connection sends the URI as it is and adds no Host header. Servers expect the path alone, and the header.
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
    let host_header = host.parse().map_err(|_| RegistryError::Unreachable {
        host: host.clone(),
        why: "this is not a valid host name".into(),
    })?;
    request.headers_mut().insert(header::HOST, host_header);
    let is_large = request.body().size_hint().lower() > LARGE;
    // The answer to an upload begins only after its body was sent.
    let wait = if is_large {
        route.timeouts.whole
    } else {
        route.timeouts.answer
    };
    let answer: Response<Incoming> = timeout(wait, sender.send_request(request))
        .await
        .map_err(|_| late("does not answer in time"))?
        .map_err(broken)?;
    let (head, body) = answer.into_parts();
    Ok(Answer {
        host,
        status: head.status,
        headers: head.headers,
        body,
        idle: route.timeouts.idle,
        deadline,
        _driver: driver,
    })
}

async fn connect(route: &Route<'_>, origin: &Origin) -> Result<Box<dyn Stream>, RegistryError> {
    let tcp = match route.proxy {
        Some(proxy) => through_proxy(route, proxy, origin).await?,
        None => Box::new(tcp(origin, route.refuses_local).await?),
    };
    if !origin.is_tls {
        return Ok(tcp);
    }
    Ok(Box::new(tls(route, origin, tcp).await?))
}

async fn tls(
    route: &Route<'_>,
    origin: &Origin,
    stream: Box<dyn Stream>,
) -> Result<tokio_rustls::client::TlsStream<Box<dyn Stream>>, RegistryError> {
    let failed = |why: String| RegistryError::Tls {
        host: origin.authority(),
        why,
    };
    let name = ServerName::try_from(origin.host.clone()).map_err(|error| failed(error.to_string()))?;
    let connector = tokio_rustls::TlsConnector::from(route.tls.clone());
    connector
        .connect(name, stream)
        .await
        .map_err(|error| failed(error.to_string()))
}

async fn tcp(origin: &Origin, refuses_local: bool) -> Result<TcpStream, RegistryError> {
    let unreachable = |why: String| RegistryError::Unreachable {
        host: origin.authority(),
        why,
    };
    // Resolved once: the addresses that are checked are those that are connected to. A second lookup may answer otherwise.
    let found = tokio::net::lookup_host((origin.host.as_str(), origin.port)).await;
    let found: Vec<SocketAddr> = found.map_err(|error| unreachable(error.to_string()))?.collect();
    if let Some(local) = found
        .iter()
        // One local address among others is enough to refuse, since `connect` tries them all.
        .find(|address| refuses_local && is_local(address.ip()))
    {
        return Err(unreachable(format!(
            "it resolves to {}, where a remote registry must not redirect to",
            local.ip()
        )));
    }
    let stream = TcpStream::connect(found.as_slice()).await;
    let stream = stream.map_err(|error| unreachable(error.to_string()))?;
    // Nagle's algorithm would delay a request's last packet until the one before is acknowledged.
    drop(stream.set_nodelay(true));
    Ok(stream)
}

/// Connects through an HTTP proxy. The proxy resolves the name, so only literal addresses can be checked.
async fn through_proxy(
    route: &Route<'_>,
    proxy: &Uri,
    origin: &Origin,
) -> Result<Box<dyn Stream>, RegistryError> {
    let unreachable = |why: String| RegistryError::Unreachable {
        host: origin.authority(),
        why: format!("the proxy {why}"),
    };
    if route.refuses_local && origin.host.parse().is_ok_and(is_local) {
        return Err(unreachable(
            "would be asked for a loopback or link-local address".into(),
        ));
    }
    let user = proxy
        .authority()
        .and_then(|authority| authority.as_str().rsplit_once('@'));
    let address = proxy.authority().map(|authority| authority.as_str());
    let address = user.map(|(_, address)| address).or(address).unwrap_or_default();
    let at = format!("{}://{address}", proxy.scheme_str().unwrap_or("http"));
    let at = at.parse().ok().and_then(|url| Origin::of(&url));
    let at = at.ok_or_else(|| unreachable("does not have an HTTP URL".into()))?;
    // The proxy is the user's own setting, so it may be on this machine.
    let plain = tcp(&at, false)
        .await
        .map_err(|error| unreachable(error.to_string()))?;
    let mut stream: Box<dyn Stream> = match at.is_tls {
        true => Box::new(tls(route, &at, Box::new(plain)).await?),
        false => Box::new(plain),
    };
    let to = format!(
        "{}:{}",
        origin.authority().trim_end_matches(&format!(":{}", origin.port)),
        origin.port
    );
    let mut head = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n");
    if let Some((user, _)) = user {
        head += &format!(
            "Proxy-Authorization: Basic {}\r\n",
            crate::auth::base64(&decoded(user))
        );
    }
    head += "\r\n";
    let failed = |error: std::io::Error| unreachable(error.to_string());
    stream.write_all(head.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    // Byte by byte, so that nothing behind the head is consumed.
    while !answer.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.map_err(failed)?;
        answer.push(byte);
        if answer.len() > MAX_PROXY_HEAD {
            return Err(unreachable("sends a head of more than 8 KiB".into()));
        }
    }
    let line = String::from_utf8_lossy(&answer);
    let status = line.split(' ').nth(1).unwrap_or_default();
    // Any status of success opens the tunnel, by RFC 9110.
    match status.len() == 3 && status.starts_with('2') {
        true => Ok(stream),
        false => Err(unreachable(format!("answers {status:?}"))),
    }
}

impl Answer {
    /// Reads the body.
    ///
    /// # Errors
    /// Fails when it is larger than `allowed` bytes, too slow, or broken off.
    pub(crate) async fn bytes(self, what: &str, allowed: u64) -> Result<Bytes, RegistryError> {
        let too_large = |announced| RegistryError::TooLarge {
            what: what.to_owned(),
            allowed,
            announced,
        };
        // An announced size is only a claim: it can save the download, but `read` counts the bytes all the same.
        let announced = self.headers.get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|size| size.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|size| size > allowed) {
            return Err(too_large(announced));
        }
        let (read, is_whole) = self.read(allowed).await?;
        if is_whole { Ok(read) } else { Err(too_large(None)) }
    }

    /// Reads at most `allowed` bytes of the body. Returns whether that is all of it.
    pub(crate) async fn read(mut self, allowed: u64) -> Result<(Bytes, bool), RegistryError> {
        let mut read = BytesMut::new();
        loop {
            let late = |what| RegistryError::TimedOut {
                host: self.host.clone(),
                what,
            };
            let next = timeout(self.idle, self.body.frame());
            let next = timeout_at(self.deadline, next)
                .await
                .map_err(|_| late("is too slow"))?;
            let frame = match next.map_err(|_| late("stopped in the middle of its answer"))? {
                None => return Ok((read.freeze(), true)),
                Some(frame) => frame.map_err(|error| RegistryError::Broken {
                    host: self.host.clone(),
                    why: reason(&error),
                })?,
            };
            let Some(data) = frame.data_ref() else { continue };
            let capacity = usize::try_from(allowed).unwrap_or(usize::MAX) - read.len();
            if data.len() > capacity {
                read.extend_from_slice(&data[..capacity]);
                return Ok((read.freeze(), false));
            }
            read.extend_from_slice(data);
        }
    }

    /// A header's value; none if it is absent or not ASCII.
    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The message of an error's innermost cause.
fn reason(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    // Deep enough for hyper's errors, and bounded.
    for _ in 0..8 {
        match innermost.source() {
            Some(source) => innermost = source,
            None => break,
        }
    }
    trocar_core::text::message(&innermost.to_string())
}
