//! What the server does in a second, how long an answer takes, how soon it is ready, and what memory it takes; beside it, in the
//! same run, Kubewarden's policy-server where there is one. All of it over loopback, on the processors of this machine.
//!
//! ```text
//! cargo bench -p trocar-admission --bench servers
//! ```
//!
//! The load is that of `wrk`, which has to be on the machine. `TROCAR_BENCH_PEER=PROGRAM` and `TROCAR_BENCH_PEER_POLICY=FILE` name
//! a policy-server and a Gatekeeper policy that allows everything; `TROCAR_BENCH_SECONDS` how long each load takes (5) and
//! `TROCAR_BENCH_REVIEWS` how many reviews memory is watched for (100000). The figures are in docs/performance.md.
#![expect(clippy::print_stdout, reason = "a benchmark shows what it measured")]

mod common;

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use common::{APPROVED, Client, OTHERS, Process, Server, review};
use trocar_test_support::measure::median;

/// How often each load is run.
const ROUNDS: usize = 3;

/// How many connections there are.
const CONNECTIONS: usize = 4;

fn main() {
    let setting = Setting::new();
    let five = format!("{APPROVED}{OTHERS}");
    println!(
        "a review of {} bytes, {CONNECTIONS} connections",
        setting.review.len()
    );
    setting.readiness(APPROVED, "approved-images");
    setting.readiness(&five, "five policies");
    setting.capacity(APPROVED);
    let server = setting.trocar(&five, false);
    let load = setting.wrk(&server, "/validate");
    if let Some(load) = &load {
        println!("{:44} {load}", "trocar, five policies");
    }
    let half = load.map_or(1000.0, |load| load.rate / 2.0);
    let (p50, p99) = setting.paced(&server, half);
    println!(
        "{:44} {half:8.0}/s p50 {p50:.2?} p99 {p99:.2?}",
        "trocar, five policies, at half of it"
    );
    drop(server);
    setting.memory(&five);
}

/// What came of a load.
#[derive(Clone, Copy)]
struct Load {
    rate: f64,
    p50: f64,
    p99: f64,
}

struct Setting {
    folder: tempfile::TempDir,
    review: String,
    seconds: u64,
    has_wrk: bool,
}

impl Setting {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let review = review().to_string();
        let at = |name: &str| folder.path().join(name);
        let key =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate can be made");
        let script = format!(
            "local file = io.open({:?}, 'rb')\nwrk.body = file:read('*all')\nfile:close()\nwrk.method = 'POST'\n\
             wrk.headers['Content-Type'] = 'application/json'\n",
            at("review.json")
        );
        for (name, text) in [
            ("review.json", &*review),
            ("post.lua", &script),
            ("tls.crt", &key.cert.pem()),
            ("tls.key", &key.signing_key.serialize_pem()),
        ] {
            fs::write(at(name), text).expect("a temporary file can be written");
        }
        let has_wrk = Command::new("wrk").arg("--version").output().is_ok();
        if !has_wrk {
            println!("SKIPPED: there is no wrk, so nothing is measured under full load");
        }
        Self {
            folder,
            review,
            seconds: number("TROCAR_BENCH_SECONDS", 5),
            has_wrk,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn trocar(&self, policies: &str, has_tls: bool) -> Server {
        Server::start(self.folder.path(), policies, has_tls)
    }

    /// Kubewarden's policy-server with the policy that is named `peer`.
    fn peer(&self, has_tls: bool) -> Option<Server> {
        let (program, policy) = (
            env::var_os("TROCAR_BENCH_PEER")?,
            env::var("TROCAR_BENCH_PEER_POLICY").ok()?,
        );
        let [port, probe] = [(); 2].map(|()| free_port());
        fs::write(
            self.path("policies.yml"),
            format!("peer:\n  module: file://{policy}\n"),
        )
        .ok()?;
        let mut command = Command::new(program);
        command.current_dir(self.folder.path());
        command.args([
            "--addr=127.0.0.1",
            "--policies=policies.yml",
            "--log-level=error",
            "--ignore-kubernetes-connection-failure",
        ]);
        command.args([
            format!("--port={port}"),
            format!("--readiness-probe-port={probe}"),
        ]);
        if has_tls {
            command.args(["--cert-file=tls.crt", "--key-file=tls.key"]);
        }
        let began = Instant::now();
        let child = command
            .stdout(Stdio::null())
            .spawn()
            .expect("the peer can be run");
        let probe = SocketAddr::from((Ipv4Addr::LOCALHOST, probe));
        while !is_ready(probe, "/readiness") {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "the peer is never ready"
            );
            thread::sleep(Duration::from_millis(5));
        }
        Some(Server {
            process: Process(child),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            has_tls,
            ready: began.elapsed(),
        })
    }

    fn readiness(&self, policies: &str, name: &str) {
        let ready = median((0..10).map(|_| self.trocar(policies, false).ready));
        println!("{:44} {ready:.1?}", format!("trocar, ready with {name}"));
    }

    /// As many reviews as there can be, ours and the peer's in turn.
    fn capacity(&self, policies: &str) {
        for has_tls in [false, true] {
            let kind = if has_tls { "TLS" } else { "plain" };
            let (ours, theirs) = (self.trocar(policies, has_tls), self.peer(has_tls));
            let mut rates = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                if let Some(load) = self.wrk(&ours, "/validate") {
                    println!("{:44} {load}", format!("trocar, approved-images, {kind}"));
                    rates[0].push(load.rate);
                }
                if let Some(load) = theirs.as_ref().and_then(|peer| self.wrk(peer, "/validate/peer")) {
                    println!(
                        "{:44} {load}",
                        format!("policy-server, a policy that allows, {kind}")
                    );
                    rates[1].push(load.rate);
                }
            }
            if let Some(theirs) = &theirs {
                println!(
                    "policy-server: ready after {:.1?}, {} KiB resident",
                    theirs.ready,
                    theirs.process.resident()
                );
            }
            println!("trocar: {} KiB resident", ours.process.resident());
            if rates.iter().all(|rates| !rates.is_empty()) {
                let middle = |rates: &[f64]| median(rates.iter().map(|rate| *rate as u64)) as f64;
                println!(
                    "{:44} {:.2} × as many, at the median",
                    kind,
                    middle(&rates[0]) / middle(&rates[1])
                );
            }
        }
    }

    fn wrk(&self, server: &Server, path: &str) -> Option<Load> {
        if !self.has_wrk {
            return None;
        }
        let scheme = if server.has_tls { "https" } else { "http" };
        let mut command = Command::new("wrk");
        command.args([
            "-t1",
            &format!("-c{CONNECTIONS}"),
            &format!("-d{}s", self.seconds),
            "--latency",
        ]);
        command.arg("-s").arg(self.path("post.lua"));
        let output = command
            .arg(format!("{scheme}://{}{path}", server.address))
            .output()
            .expect("wrk runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_whole = !text.contains("Non-2xx") && !text.contains("Socket errors");
        assert!(output.status.success() && is_whole, "{text}");
        let after = |word: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(word));
            line.and_then(|line| line.split_whitespace().last())
                .unwrap_or_default()
        };
        Some(Load {
            rate: after("Requests/sec:").parse().expect("wrk tells a rate"),
            p50: milliseconds(after("50%")),
            p99: milliseconds(after("99%")),
        })
    }

    /// The latencies where reviews come at a steady rate, from when each was due.
    fn paced(&self, server: &Server, rate: f64) -> (Duration, Duration) {
        let per_connection = rate / CONNECTIONS as f64;
        let count = (per_connection * self.seconds as f64) as u32;
        let step = Duration::from_secs_f64(1.0 / per_connection);
        let mut took: Vec<Duration> = thread::scope(|scope| {
            let ask = |index: usize| {
                let mut client = Client::new(server.address);
                let began = Instant::now() + step.mul_f64(index as f64 / CONNECTIONS as f64);
                scope.spawn(move || {
                    let mut took = Vec::new();
                    for number in 0..count {
                        let due = began + step * number;
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        ask(&mut client, &self.review);
                        took.push(due.elapsed());
                    }
                    took
                })
            };
            let clients: Vec<_> = (0..CONNECTIONS).map(ask).collect();
            clients
                .into_iter()
                .flat_map(|client| client.join().expect("a client ends"))
                .collect()
        });
        took.sort_unstable();
        let part = |percent: usize| took[took.len() * percent / 100];
        (part(50), part(99))
    }

    fn memory(&self, policies: &str) {
        let server = self.trocar(policies, false);
        let reviews: usize = number("TROCAR_BENCH_REVIEWS", 100_000);
        let mut resident = vec![server.process.resident()];
        for _ in 0..10 {
            thread::scope(|scope| {
                for _ in 0..CONNECTIONS {
                    let mut client = Client::new(server.address);
                    scope.spawn(move || {
                        (0..reviews / 10 / CONNECTIONS).for_each(|_| ask(&mut client, &self.review));
                    });
                }
            });
            resident.push(server.process.resident());
        }
        println!("trocar, five policies, KiB resident at each tenth of {reviews} reviews: {resident:?}");
    }
}

/// Asks for one review.
fn ask(client: &mut Client, review: &str) {
    let answer = client.ask(
        "POST /validate HTTP/1.1\r\nContent-Type: application/json",
        review,
    );
    assert!(answer.contains("\"allowed\":true"), "{answer}");
}

impl std::fmt::Display for Load {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{:8.0}/s p50 {:.2} ms p99 {:.2} ms",
            self.rate, self.p50, self.p99
        )
    }
}

fn number<T: FromStr>(variable: &str, usual: T) -> T {
    let typed = env::var(variable).ok();
    typed.and_then(|typed| typed.parse().ok()).unwrap_or(usual)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}

fn is_ready(address: SocketAddr, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return false;
    };
    let mut answer = String::new();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let asked = stream.write_all(request.as_bytes());
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// A time as wrk writes it.
fn milliseconds(text: &str) -> f64 {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "us" => 1e-3,
        "ms" => 1.0,
        _ => 1e3,
    };
    digits.parse::<f64>().map_or(f64::NAN, |number| number * factor)
}
