//! An in-memory registry that conforms to the OCI distribution specification, unless a test overrides answers.
//!
//! One thread and one request per connection, so that a test can let any of them hang, lie or never end.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use serde_json::json;

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Asked {
    /// A header; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What the registry does after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It closes the connection.
    Close,
    /// It hangs until the client closes the connection.
    Hang,
    /// It writes endlessly until the client closes the connection.
    Endless,
}

/// An answer of the registry.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers, without the length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The announced length. None is the body's length; `Some(None)` announces none.
    pub announced: Option<Option<u64>>,
    /// What happens afterwards.
    pub after: After,
}

impl Reply {
    /// Creates an answer without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            announced: None,
            after: After::Close,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the announced length.
    #[must_use]
    pub fn announcing(mut self, length: Option<u64>) -> Self {
        self.announced = Some(length);
        self
    }

    /// Sets what happens afterwards.
    #[must_use]
    pub fn then(mut self, after: After) -> Self {
        self.after = after;
        self
    }

    fn error(status: u16, code: &str) -> Self {
        let body = json!({"errors": [{"code": code, "message": code.to_lowercase().replace('_', " ")}]});
        Self::new(status, body.to_string()).header("content-type", "application/json")
    }
}

/// A test's override of answers: none uses the regular answer.
pub type Hook = Box<dyn Fn(&Asked) -> Option<Reply> + Send + Sync>;

/// The contents of the registry.
#[derive(Debug, Default)]
struct Kept {
    /// By repository and digest.
    blobs: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and tag or digest: the type and the bytes.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    asked: Vec<Asked>,
}

struct State {
    kept: Mutex<Kept>,
    hook: Hook,
    /// Whether the registry has the referrers API.
    has_referrers: bool,
    digest: fn(&[u8]) -> String,
}

/// A registry that listens on this machine until the test ends.
pub struct FakeRegistry {
    address: String,
    state: Arc<State>,
}

impl FakeRegistry {
    /// Starts a registry. `digest` is the function of the code under test, so that this crate needs none.
    pub fn start(digest: fn(&[u8]) -> String) -> Self {
        Self::with_hook(digest, |_| None)
    }

    /// Starts a registry with overridden answers.
    pub fn with_hook(
        digest: fn(&[u8]) -> String,
        hook: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(digest, Box::new(hook), false, None)
    }

    /// Starts a registry with the referrers API.
    pub fn with_referrers(digest: fn(&[u8]) -> String) -> Self {
        Self::listen(digest, Box::new(|_| None), true, None)
    }

    /// Starts a registry with TLS.
    pub fn with_tls(digest: fn(&[u8]) -> String, tls: Arc<rustls::ServerConfig>) -> Self {
        Self::listen(digest, Box::new(|_| None), false, Some(tls))
    }

    fn listen(
        digest: fn(&[u8]) -> String,
        hook: Hook,
        has_referrers: bool,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on this machine");
        let address = listener.local_addr().expect("its address").to_string();
        let state = Arc::new(State {
            kept: Mutex::default(),
            hook,
            has_referrers,
            digest,
        });
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, tls) = (shared.clone(), tls.clone());
                thread::spawn(move || match tls {
                    Some(tls) => {
                        if let Ok(connection) = rustls::ServerConnection::new(tls) {
                            serve(rustls::StreamOwned::new(connection, stream), &state);
                        }
                    }
                    None => serve(stream, &state),
                });
            }
        });
        Self { address, state }
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        &self.address
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.kept().asked.clone()
    }

    /// Method and path of all requests so far.
    pub fn lines(&self) -> Vec<String> {
        let asked = self.asked();
        asked
            .iter()
            .map(|asked| format!("{} {}", asked.method, asked.path))
            .collect()
    }

    /// Stores a blob. Returns its digest.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = (self.state.digest)(bytes);
        self.kept()
            .blobs
            .insert((repository.to_owned(), digest.clone()), bytes.to_vec());
        digest
    }

    /// Stores a manifest under its digest and a tag. Returns the digest.
    pub fn put_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        let digest = (self.state.digest)(bytes);
        let mut kept = self.kept();
        for name in [tag, digest.as_str()] {
            let manifest = (media_type.to_owned(), bytes.to_vec());
            kept.manifests
                .insert((repository.to_owned(), name.to_owned()), manifest);
        }
        digest
    }

    /// Removes a manifest, by its tag or digest.
    pub fn remove_manifest(&self, repository: &str, name: &str) {
        self.kept()
            .manifests
            .remove(&(repository.to_owned(), name.to_owned()));
    }

    /// The manifest under a tag or digest.
    pub fn manifest(&self, repository: &str, name: &str) -> Option<Vec<u8>> {
        let kept = self.kept();
        kept.manifests
            .get(&(repository.to_owned(), name.to_owned()))
            .map(|(_, bytes)| bytes.clone())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.state
            .kept
            .lock()
            .expect("no test panics while it holds this")
    }
}

fn serve(stream: impl Read + Write, state: &State) {
    let mut stream = BufReader::new(stream);
    let Some(asked) = read(&mut stream) else { return };
    if let Ok(mut kept) = state.kept.lock() {
        kept.asked.push(asked.clone());
    }
    let reply = (state.hook)(&asked).unwrap_or_else(|| answer(&asked, state));
    // The client may have closed the connection, as some tests expect.
    drop(write(stream.get_mut(), &asked, &reply));
}

fn read(stream: &mut BufReader<impl Read>) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        path,
        headers,
        body,
    })
}

fn write(stream: &mut (impl Read + Write), asked: &Asked, reply: &Reply) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(length) = reply.announced.unwrap_or(Some(reply.body.len() as u64)) {
        head += &format!("content-length: {length}\r\n");
    }
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n")?;
    if asked.method != "HEAD" {
        stream.write_all(&reply.body)?;
    }
    stream.flush()?;
    match reply.after {
        After::Close => Ok(()),
        After::Hang => stream.read(&mut [0]).map(drop),
        After::Endless => loop {
            stream.write_all(&[b' '; 4096])?;
        },
    }
}

/// The answer of a conforming registry.
fn answer(asked: &Asked, state: &State) -> Reply {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let Some(rest) = path.strip_prefix("/v2/") else {
        return Reply::error(404, "NOT_FOUND");
    };
    let Ok(mut kept) = state.kept.lock() else {
        return Reply::error(500, "UNKNOWN");
    };
    for part in [
        "/blobs/uploads/",
        "/blobs/",
        "/manifests/",
        "/tags/",
        "/referrers/",
    ] {
        if let Some((repository, name)) = rest.split_once(part) {
            return match part {
                "/blobs/uploads/" => upload(asked, &mut kept, state, repository, name, query),
                "/blobs/" => blob(&kept, repository, name),
                "/manifests/" => manifest(asked, &mut kept, state, repository, name),
                "/tags/" => tags(&kept, repository),
                _ => referrers(&kept, state, repository, name),
            };
        }
    }
    Reply::error(404, "NOT_FOUND")
}

fn upload(asked: &Asked, kept: &mut Kept, state: &State, repository: &str, name: &str, query: &str) -> Reply {
    if asked.method == "POST" {
        let location = format!("/v2/{repository}/blobs/uploads/1?state=x");
        return Reply::new(202, "").header("location", location);
    }
    let digest = (state.digest)(&asked.body);
    let said = query.split('&').find_map(|field| field.strip_prefix("digest="));
    let is_as_said = said.is_some_and(|said| said.replace("%3A", ":") == digest);
    if name != "1" || !is_as_said {
        return Reply::error(400, "DIGEST_INVALID");
    }
    kept.blobs
        .insert((repository.to_owned(), digest), asked.body.clone());
    Reply::new(201, "")
}

fn blob(kept: &Kept, repository: &str, name: &str) -> Reply {
    match kept.blobs.get(&(repository.to_owned(), name.to_owned())) {
        Some(bytes) => Reply::new(200, bytes.clone()),
        None => Reply::error(404, "BLOB_UNKNOWN"),
    }
}

fn manifest(asked: &Asked, kept: &mut Kept, state: &State, repository: &str, name: &str) -> Reply {
    if asked.method == "PUT" {
        let digest = (state.digest)(&asked.body);
        for name in [name, digest.as_str()] {
            let manifest = (asked.header("content-type").to_owned(), asked.body.clone());
            kept.manifests
                .insert((repository.to_owned(), name.to_owned()), manifest);
        }
        return Reply::new(201, "").header("docker-content-digest", digest);
    }
    match kept.manifests.get(&(repository.to_owned(), name.to_owned())) {
        Some((media_type, bytes)) => Reply::new(200, bytes.clone()).header("content-type", media_type),
        None => Reply::error(404, "MANIFEST_UNKNOWN"),
    }
}

fn tags(kept: &Kept, repository: &str) -> Reply {
    let names = kept.manifests.keys().filter(|(known, _)| known == repository);
    let tags: Vec<&str> = names
        .map(|(_, name)| name.as_str())
        .filter(|name| !name.starts_with("sha256:"))
        .collect();
    match tags.as_slice() {
        [] => Reply::error(404, "NAME_UNKNOWN"),
        tags => Reply::new(200, json!({"name": repository, "tags": tags}).to_string()),
    }
}

/// The manifests whose `subject` is the one with this digest.
fn referrers(kept: &Kept, state: &State, repository: &str, digest: &str) -> Reply {
    if !state.has_referrers {
        return Reply::error(404, "NOT_FOUND");
    }
    let mut listed = Vec::new();
    for ((known, name), (media_type, bytes)) in &kept.manifests {
        let document: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
        if known == repository && name.starts_with("sha256:") && document["subject"]["digest"] == digest {
            listed.push(json!({
                "mediaType": media_type, "digest": name, "size": bytes.len(), "artifactType": document["artifactType"],
            }));
        }
    }
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": listed,
    });
    Reply::new(200, index.to_string()).header("content-type", "application/vnd.oci.image.index.v1+json")
}

/// An address of this machine without a listener.
pub fn nothing_listens() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on this machine");
    listener.local_addr().expect("its address").to_string()
}

/// An address that accepts connections and never answers.
pub fn says_nothing() -> (String, thread::JoinHandle<Vec<TcpStream>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on this machine");
    let address = listener.local_addr().expect("its address").to_string();
    let kept = thread::spawn(move || listener.incoming().take(1).flatten().collect());
    (address, kept)
}
