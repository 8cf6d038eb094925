//! A fake API server within the test: enough of the API for a debug command, a record of requests, and faults on demand.
//!
//! It applies neither defaults nor admission, so it stores what clients send. It refuses what a real one refuses, with the same
//! messages, as far as debug commands can cause it. Containers do nothing by themselves: the test controls their programs
//! through [`Program`]. Logs are formatted as by a kubelet.

mod discovery;
mod fault;
mod fields;
mod http;
mod kubelet;
mod outbox;
mod patch;
mod program;
mod routes;
mod selector;
mod store;
mod validate;
mod write;

use std::{
    collections::BTreeMap,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

pub use fault::{Answer, Fault, Gate};
pub use program::Program;

use self::{http::Request, program::ProgramState, store::Store};
use crate::PATIENCE;

/// The server. It is stopped on drop.
pub struct FakeApiServer {
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The initial time of the server's clock: 2026-01-01T00:00:01Z, in nanoseconds.
const FIRST_MOMENT: i128 = 1_767_225_601_000_000_000;

#[derive(Default)]
struct State {
    store: Store,
    /// The time on the node, in nanoseconds. It advances a little with each write, and as tests want.
    clock: i128,
    /// The delay of a pod's status.
    status_lag: i128,
    /// Pending status updates, and their times.
    statuses: Vec<(i128, program::Key, Value)>,
    requests: Vec<RecordedRequest>,
    faults: Vec<Fault>,
    programs: BTreeMap<program::Key, ProgramState>,
    connections: Vec<TcpStream>,
    lacks_ephemeral_containers: bool,
    accepts_invalid_pods: bool,
    is_down: bool,
    is_over: bool,
}

/// A recorded request.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedRequest {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query parameters; the last value of each name.
    pub query: BTreeMap<String, String>,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body: JSON, or a string if it is not JSON.
    pub body: Option<Value>,
}

impl RecordedRequest {
    /// Method and path.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The content type; empty if there is none.
    pub fn content_type(&self) -> &str {
        self.headers.get("content-type").map_or("", String::as_str)
    }
}

impl FakeApiServer {
    /// Starts a server with these objects. A pod without a namespace is in `default`.
    pub fn start(objects: impl IntoIterator<Item = Value>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the loopback interface has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let mut state = State {
            clock: FIRST_MOMENT,
            ..State::default()
        };
        for object in objects {
            state.store.put(object);
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let accepting = shared.clone();
        thread::spawn(move || accept(&accepting, &listener));
        Self { shared, address }
    }

    /// The address, as a kubeconfig names it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Removes the subresource `ephemeralcontainers`, as in old clusters.
    pub fn lacks_ephemeral_containers(&self) {
        self.shared.lock().lacks_ephemeral_containers = true;
    }

    /// Lets the server store pods with invalid containers, such as a mount of a missing volume, to compare what clients
    /// send.
    pub fn accepts_invalid_pods(&self) {
        self.shared.lock().accepts_invalid_pods = true;
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.shared.lock().faults.push(fault);
    }

    /// Cuts every connection, and every new one, until [`FakeApiServer::comes_up`].
    pub fn goes_down(&self) {
        self.shared.change(|state| {
            state.is_down = true;
            state.cut_connections();
        });
    }

    /// Lets the server answer again.
    pub fn comes_up(&self) {
        self.shared.change(|state| state.is_down = false);
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.lock().requests.clone()
    }

    /// Method and path of all requests so far.
    pub fn request_lines(&self) -> Vec<String> {
        let state = self.shared.lock();
        state.requests.iter().map(RecordedRequest::line).collect()
    }

    /// The writing requests.
    pub fn writes(&self) -> Vec<RecordedRequest> {
        let state = self.shared.lock();
        let writes = state.requests.iter().filter(|request| request.method != "GET");
        writes.cloned().collect()
    }

    /// All objects in their current state.
    pub fn objects(&self) -> Vec<Value> {
        self.shared.lock().store.objects().cloned().collect()
    }

    /// An object in its current state. The namespace is ignored for nodes.
    pub fn object(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        self.shared.lock().store.get(kind, namespace, name).cloned()
    }

    /// Adds or replaces an object.
    pub fn put(&self, object: Value) {
        self.shared.change(|state| {
            state.store.put(object);
        });
    }

    /// Changes a pod of the namespace `default`, as the kubelet would.
    pub fn change_pod(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.shared.change(|state| {
            let mut pod = state.store.get("Pod", "default", name).cloned();
            let pod = pod.as_mut().unwrap_or_else(|| panic!("there is no pod {name:?}"));
            change(pod);
            state.store.put(pod.clone());
        });
    }

    /// Deletes a pod of the namespace `default`.
    pub fn delete_pod(&self, name: &str) {
        self.shared.change(|state| {
            let deleted = state.store.delete("Pod", "default", name);
            assert!(deleted.is_some(), "there is no pod {name:?}");
        });
    }

    /// Delays pod statuses, as kubelets do by 0.3 to 1.1 s. Time advances only with
    /// [`FakeApiServer::time_passes`].
    pub fn status_lags(&self, lag: Duration) {
        let lag = i128::try_from(lag.as_nanos()).expect("a lag is short");
        self.shared.change(|state| state.status_lag = lag);
    }

    /// Advances the time on the node, and applies delayed statuses.
    pub fn time_passes(&self, time: Duration) {
        let time = i128::try_from(time.as_nanos()).expect("no test takes so long");
        self.shared.change(|state| {
            state.clock += time;
            state.say_what_is_due();
        });
    }

    /// Waits for a request of a method whose path has this end.
    pub fn wait_for_request(&self, method: &str, path_end: &str) -> RecordedRequest {
        self.shared
            .wait(&format!("{method} …{path_end}"), |state: &mut State| {
                let mut requests = state.requests.iter();
                let found =
                    requests.find(|request| request.method == method && request.path.ends_with(path_end));
                found.cloned()
            })
    }

    /// Waits until an object of the namespace `default` is gone.
    pub fn wait_until_gone(&self, kind: &str, name: &str) {
        self.shared
            .wait(&format!("the end of {kind} {name}"), |state: &mut State| {
                state.store.get(kind, "default", name).is_none().then_some(())
            });
    }

    /// The program of a container of a pod in the namespace `default`. The container may be created later.
    pub fn program(&self, pod: &str, container: &str) -> Program {
        Program::new(self.shared.clone(), pod, container)
    }
}

impl Drop for FakeApiServer {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.is_over = true;
            state.cut_connections();
        });
        // Wake the accepting thread with a connection.
        TcpStream::connect(self.address).ok();
    }
}

impl State {
    fn cut_connections(&mut self) {
        for connection in self.connections.drain(..) {
            connection.shutdown(Shutdown::Both).ok();
        }
    }

    /// The server is down, temporarily or for good.
    fn is_away(&self) -> bool {
        self.is_down || self.is_over
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Do not hide the message of another failed test.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Changes the state, and wakes waiting threads.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits for a condition. Panics after a timeout that only a hang reaches.
    fn wait<T>(&self, what: &str, mut wanted: impl FnMut(&mut State) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.lock();
        loop {
            if let Some(found) = wanted(&mut state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let lines: Vec<String> = state.requests.iter().map(RecordedRequest::line).collect();
                drop(state);
                panic!("waited in vain for {what}; the requests were {lines:#?}");
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }

    /// Waits for a condition; none if the server is stopped.
    fn wait_while_up<T>(&self, mut wanted: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.is_away() {
                return None;
            }
            if let Some(found) = wanted(&mut state) {
                return Some(found);
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    for connection in listener.incoming() {
        let Ok(connection) = connection else { continue };
        let mut state = shared.lock();
        if state.is_over {
            return;
        }
        if state.is_down {
            continue;
        }
        if let Ok(clone) = connection.try_clone() {
            state.connections.push(clone);
        }
        drop(state);
        let shared = shared.clone();
        thread::spawn(move || routes::serve(&shared, &connection));
    }
}

fn record(state: &mut State, request: &Request) {
    let body = (!request.body.is_empty()).then(|| {
        serde_json::from_slice(&request.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&request.body).into_owned()))
    });
    state.requests.push(RecordedRequest {
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
        headers: request.headers.clone(),
        body,
    });
}
