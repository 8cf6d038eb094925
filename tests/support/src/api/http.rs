//! The subset of HTTP/1.1 that clients of the Kubernetes API need: reads requests and writes answers.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use serde_json::Value;

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| error.to_string())
    }

    pub(super) fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Reads a request; none at the end of the connection.
pub(super) fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "that is not HTTP");
    match stream.fill_buf()?.first() {
        None => return Ok(None),
        // A client that begins a TLS handshake with a plain server waits for an answer.
        Some(byte) if !byte.is_ascii_uppercase() => return Err(malformed()),
        Some(_) => {}
    }
    let first = line(stream)?;
    let mut parts = first.split(' ');
    let (Some(method), Some(target)) = (parts.next(), parts.next()) else {
        return Err(malformed());
    };
    let mut headers = BTreeMap::new();
    loop {
        let header = line(stream)?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').ok_or_else(malformed)?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(Ok(0), |length| length.parse::<usize>().map_err(|_| malformed()))?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    if headers
        .get("transfer-encoding")
        .is_some_and(|encoding| encoding == "chunked")
    {
        body = read_chunks(stream)?;
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Some(Request {
        method: method.to_owned(),
        path: unescaped(path),
        query: query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (unescaped(name), unescaped(&value.replace('+', " ")))
            })
            .collect(),
        headers,
        body,
    }))
}

fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn read_chunks(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = usize::from_str_radix(&line(stream)?, 16).unwrap_or(0);
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..])?;
        line(stream)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match code.filter(|_| *byte == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An answer with a body of known length.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) code: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    pub(super) fn json(code: u16, body: &Value) -> Self {
        Self {
            code,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
        }
    }

    /// The same with `Warning` headers.
    #[must_use]
    pub(super) fn with_warnings(mut self, warnings: &[String]) -> Self {
        let headers = warnings
            .iter()
            .map(|text| ("Warning".to_owned(), format!("299 - {text:?}")));
        self.headers.extend(headers);
        self
    }

    /// Writes the answer with a truncated body, though it announces the whole length.
    pub(super) fn write(&self, mut stream: &TcpStream, body_bytes: usize) -> io::Result<()> {
        let length = ("Content-Length".to_owned(), self.body.len().to_string());
        let mut text = head(self.code, self.headers.iter().chain([&length])).into_bytes();
        text.extend_from_slice(&self.body[..body_bytes.min(self.body.len())]);
        stream.write_all(&text)
    }
}

/// The first line and the headers.
pub(super) fn head<'a>(code: u16, headers: impl IntoIterator<Item = &'a (String, String)>) -> String {
    let lines = headers
        .into_iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let lines: String = lines.collect();
    format!("HTTP/1.1 {code} -\r\n{lines}\r\n")
}

/// The head of an answer of unknown length.
pub(super) struct Stream<'a>(&'a TcpStream);

impl<'a> Stream<'a> {
    pub(super) fn begin(mut stream: &'a TcpStream, content_type: &str) -> io::Result<Self> {
        let headers = [
            ("Content-Type".to_owned(), content_type.to_owned()),
            ("Transfer-Encoding".to_owned(), "chunked".to_owned()),
        ];
        stream.write_all(head(200, &headers).as_bytes())?;
        Ok(Self(stream))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.0.write_all(&chunk)
    }

    pub(super) fn end(self) -> io::Result<()> {
        let mut stream = self.0;
        stream.write_all(b"0\r\n\r\n")
    }
}
