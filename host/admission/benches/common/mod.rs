//! What the benchmarks of the server share: a server that runs, a connection that is kept, and a review.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

pub(crate) const APPROVED: &str = "- {name: approved-images, settings: {images: [{registry: registry.example.com, repository: 'debug/*'}]}}\n";
pub(crate) const OTHERS: &str = "- {name: privilege-ceiling, settings: {level: baseline}}
- {name: require-reason, settings: {pattern: 'OPS-[0-9]+'}}
- {name: protected-targets, settings: {labels: {tier: gold}}}
- {name: session-limits, settings: {ephemeralContainers: 5, timeToLive: 3600}}
";

/// A process that ends when it is dropped.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Process {
    /// What is resident, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let size = line.and_then(|line| line.split_whitespace().nth(1));
        size.and_then(|size| size.parse().ok()).unwrap_or_default()
    }
}

/// A server that runs.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) has_tls: bool,
    /// From its start to when it said that it is ready.
    pub(crate) ready: Duration,
}

impl Server {
    /// Starts the server with policies; with TLS by the files tls.crt and tls.key of the folder.
    pub(crate) fn start(folder: &Path, policies: &str, has_tls: bool) -> Self {
        let config = folder.join("config.yaml");
        let text = format!("apiVersion: trocar.dev/v1alpha1\nkind: Config\npolicies:\n{policies}");
        fs::write(&config, text).expect("a temporary file can be written");
        // Another build of it, where one is named.
        let program = env::var_os("TROCAR_BENCH_SERVER");
        let mut command = Command::new(program.unwrap_or(env!("CARGO_BIN_EXE_trocar-admission").into()));
        command.current_dir(folder);
        command.args([
            "serve",
            "--config=config.yaml",
            "--listen=127.0.0.1:0",
            "--no-cluster",
            "--linger=0",
        ]);
        if has_tls {
            command.args(["--tls-cert=tls.crt", "--tls-key=tls.key"]);
        } else {
            command.arg("--plain-http");
        }
        let began = Instant::now();
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server can be run");
        let mut log = BufReader::new(child.stderr.take().expect("its log is piped"));
        let mut line = String::new();
        while !line.contains("\"message\":\"ready\"") {
            line.clear();
            assert!(
                log.read_line(&mut line).is_ok_and(|read| read > 0),
                "the server ends"
            );
        }
        let ready = began.elapsed();
        let line: Value = serde_json::from_str(&line).expect("its log is JSON");
        let address = line["listen"].as_str().and_then(|listen| listen.parse().ok());
        // Its other output is ignored.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self {
            process: Process(child),
            address: address.expect("it says where it listens"),
            has_tls,
            ready,
        }
    }
}

/// A connection that is kept.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("it is a connection");
        Self(BufReader::new(stream))
    }

    /// Sends a request whose head ends with its content type, and gives the answer's body.
    pub(crate) fn ask(&mut self, head: &str, body: &str) -> String {
        let request = format!(
            "{head}\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0
            .get_mut()
            .write_all(request.as_bytes())
            .expect("the server takes it");
        let (mut line, mut length, mut is_chunked) = (String::new(), 0, false);
        while line != "\r\n" {
            line = self.line();
            if let Some((name, value)) = line.to_ascii_lowercase().split_once(':') {
                match name {
                    "content-length" => length = value.trim().parse().expect("a length is a number"),
                    "transfer-encoding" => is_chunked = true,
                    _ => {}
                }
            }
        }
        if !is_chunked {
            return self.part(length);
        }
        let mut body = String::new();
        loop {
            let size = usize::from_str_radix(self.line().trim(), 16).expect("a size is a number");
            body.push_str(&self.part(size));
            self.line();
            if size == 0 {
                return body;
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).expect("the server answers");
        assert!(read > 0, "the server ends the connection");
        line
    }

    fn part(&mut self, length: usize) -> String {
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the server answers");
        String::from_utf8_lossy(&body).into_owned()
    }
}

/// The addition of a debug container to a pod of 3 KB, as an API server asks about it.
pub(crate) fn review() -> Value {
    let pod: Value = serde_json::from_str(include_str!("pod.json")).expect("it is JSON");
    let mut after = pod.clone();
    after["spec"]["ephemeralContainers"] = json!([{
        "name": "debugger-x7k2p", "image": "registry.example.com/debug/tools:1", "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "targetContainerName": "app-0",
        "env": [{"name": "TROCAR_REASON", "value": "OPS-7"}],
    }]);
    let (kind, resource) = (
        json!({"group": "", "version": "v1", "kind": "Pod"}),
        json!({"group": "", "version": "v1", "resource": "pods"}),
    );
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": kind, "resource": resource,
            "subResource": "ephemeralcontainers", "requestKind": kind, "requestResource": resource,
            "requestSubResource": "ephemeralcontainers", "name": "web-0", "namespace": "shop", "operation": "UPDATE",
            "userInfo": {"username": "jane", "groups": ["dev", "system:authenticated"]}, "object": after, "oldObject": pod,
            "dryRun": false, "options": {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
}
