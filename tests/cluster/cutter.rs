//! A TCP proxy to the API server that cuts connections.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::{Value, json};
use trocar_test_support::TestEnv;

use crate::cluster::Cluster;

/// Forwards bytes. When a number of bytes has come from the server, all connections are cut.
pub(crate) struct Cutter {
    kubeconfig: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    has_begun: bool,
    /// Bytes before the next cut, and between each and the one after it.
    cuts: VecDeque<u64>,
    came: u64,
    count: usize,
    open: Vec<TcpStream>,
}

impl State {
    /// Counts bytes, and cuts when it is time.
    fn comes(&mut self, count: usize) {
        if !self.has_begun {
            return;
        }
        self.came += count as u64;
        if self.cuts.pop_front_if(|cut| *cut <= self.came).is_some() {
            self.came = 0;
            self.count += 1;
            for connection in self.open.drain(..) {
                // It may be closed already.
                connection.shutdown(Shutdown::Both).ok();
            }
        }
    }
}

impl Cutter {
    /// A proxy that does not cut before it is told to.
    pub(crate) fn start(cluster: &Cluster, env: &TestEnv, name: &str, cuts: VecDeque<u64>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the system gives a port");
        let port = listener.local_addr().expect("it is bound").port();
        let mut config = cluster.kubeconfig();
        let server = through(&mut config, port);
        let state = Arc::new(Mutex::new(State {
            cuts,
            ..State::default()
        }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(&server) else {
                    continue;
                };
                pass(&shared, connection, upstream);
            }
        });
        Self {
            kubeconfig: env.write(name, &config.to_string()),
            state,
        }
    }

    pub(crate) fn kubeconfig(&self) -> std::path::Display<'_> {
        self.kubeconfig.display()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Counts bytes from now on.
    pub(crate) fn begin(&self) {
        self.state().has_begun = true;
    }

    /// The number of cuts.
    pub(crate) fn count(&self) -> usize {
        self.state().count
    }
}

/// Replaces the server in a kubeconfig by a port of this machine. Returns the server's address.
fn through(config: &mut Value, port: u16) -> String {
    let entry = &mut config["clusters"][0]["cluster"];
    let server = entry["server"].as_str().expect("a cluster has a server");
    let address = server
        .trim_start_matches("https://")
        .trim_end_matches('/')
        .to_owned();
    let host = address
        .rsplit_once(':')
        .map_or(address.as_str(), |(host, _)| host);
    if host != "127.0.0.1" {
        entry["tls-server-name"] = json!(host);
    }
    entry["server"] = json!(format!("https://127.0.0.1:{port}"));
    address
}

/// Forwards a connection with two threads, one per direction.
fn pass(state: &Arc<Mutex<State>>, client: TcpStream, server: TcpStream) {
    let both = |one: &TcpStream, other: &TcpStream| (one.try_clone().ok()).zip(other.try_clone().ok());
    let (Some((from, mut to)), Some(kept)) = (both(&client, &server), both(&client, &server)) else {
        return;
    };
    state.lock().unwrap().open.extend([kept.0, kept.1]);
    std::thread::spawn(move || {
        copy(from, |bytes| to.write_all(bytes).is_ok());
        to.shutdown(Shutdown::Write).ok();
    });
    let (state, mut to) = (state.clone(), client);
    std::thread::spawn(move || {
        copy(server, |bytes| {
            let is_written = to.write_all(bytes).is_ok();
            state.lock().unwrap().comes(bytes.len());
            is_written
        });
        to.shutdown(Shutdown::Write).ok();
    });
}

fn copy(mut from: TcpStream, mut to: impl FnMut(&[u8]) -> bool) {
    // Small, so that a cut may be within a single write.
    let mut buffer = [0; 700];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !to(&buffer[..count]) {
            break;
        }
    }
}
