//! The program of a container, as a kubelet would run it: its output goes to its log and to whoever is attached, and its input
//! is what they send. What it does is said by the test.

use std::{
    io::{self, BufReader, Write as _},
    net::{Shutdown, TcpStream},
    sync::Arc,
};

use serde_json::{Value, json};
use tungstenite::{
    Message, WebSocket,
    handshake::derive_accept_key,
    protocol::{
        Role,
        frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

use super::{
    Shared, State,
    fault::status,
    http::{self, Request, Response, Stream},
    routes::Route,
};

/// Namespace, pod and container.
pub(super) type Key = (String, String, String);

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// What the kubelet knows of a program.
#[derive(Default)]
pub(super) struct ProgramState {
    is_started: bool,
    has_ended: bool,
    log: Vec<u8>,
    /// Which reading of the log is cut, counted from 0: those before this number.
    cut_logs: usize,
    log_readings: usize,
    attached: Vec<TcpStream>,
    attaches: usize,
    input: Vec<u8>,
    read: usize,
    input_has_ended: bool,
    sizes: Vec<(u64, u64)>,
}

/// A program, to be told what to do.
#[derive(Clone)]
pub struct Program {
    shared: Arc<Shared>,
    key: Key,
}

impl Program {
    pub(super) fn new(shared: Arc<Shared>, pod: &str, container: &str) -> Self {
        Self {
            shared,
            key: ("default".into(), pod.to_owned(), container.to_owned()),
        }
    }

    /// Waits until the container is there and starts it; the pod's status says so.
    pub fn starts(&self) {
        self.starts_unnoticed();
        self.status_says(&json!({"running": {"startedAt": "2026-01-01T00:00:01Z"}}));
    }

    /// Waits until the container is there and starts it; the pod's status does not say so yet.
    pub fn starts_unnoticed(&self) {
        let (namespace, pod, container) = self.key.clone();
        let what = format!("container {container:?} of pod {pod:?}");
        self.shared.wait(&what, |state| {
            list_of(state.store.get("Pod", &namespace, &pod)?, &container)
        });
        self.change(|program| program.is_started = true);
    }

    /// Waits until the container is there; the pod's status says that it waits, and why.
    pub fn waits(&self, reason: &str, message: &str) {
        let (namespace, pod, container) = self.key.clone();
        let what = format!("container {container:?} of pod {pod:?}");
        self.shared.wait(&what, |state| {
            list_of(state.store.get("Pod", &namespace, &pod)?, &container)
        });
        self.status_says(&json!({"waiting": {"reason": reason, "message": message}}));
    }

    /// Writes to standard output.
    pub fn writes(&self, text: &str) {
        self.output(STDOUT, text.as_bytes());
    }

    /// Writes to standard error.
    pub fn complains(&self, text: &str) {
        self.output(STDERR, text.as_bytes());
    }

    /// Writes what only the log gets, since the attached connections are broken and do not know it yet.
    pub fn writes_unheard(&self, text: &str) {
        self.change(|program| program.log.extend_from_slice(text.as_bytes()));
    }

    /// Waits until somebody is attached for the so-manieth time, counted from 1.
    pub fn is_attached(&self, times: usize) {
        self.wait("an attach", |program| {
            (program.attaches >= times && !program.attached.is_empty()).then_some(())
        });
    }

    /// Waits until the log was asked for so many times.
    pub fn log_is_read(&self, times: usize) {
        self.wait("a reading of the log", |program| {
            (program.log_readings >= times).then_some(())
        });
    }

    /// Waits for input that holds a text, and gives what came since the last call, up to its end.
    pub fn reads_until(&self, text: &str) -> String {
        self.wait(&format!("input {text:?}"), |program| {
            let rest = String::from_utf8_lossy(&program.input[program.read..]).into_owned();
            let end = rest.find(text)? + text.len();
            program.read += end;
            Some(rest[..end].to_owned())
        })
    }

    /// Waits until a client says that there is no more input.
    pub fn input_ends(&self) {
        self.wait("the end of the input", |program| {
            program.input_has_ended.then_some(())
        });
    }

    /// Waits until a client says that its terminal has so many columns and rows.
    pub fn is_resized_to(&self, columns: u64, rows: u64) {
        self.wait("a size of the terminal", |program| {
            program.sizes.contains(&(columns, rows)).then_some(())
        });
    }

    /// Cuts the attached connections.
    pub fn attach_is_cut(&self) {
        self.change(|program| {
            for stream in program.attached.drain(..) {
                stream.shutdown(Shutdown::Both).ok();
            }
        });
    }

    /// Cuts the attached connections in the middle of a frame that begins with a text. The log has the text.
    pub fn attach_is_cut_within(&self, text: &str) {
        self.change(|program| {
            program.log.extend_from_slice(text.as_bytes());
            let frame = frame(STDOUT, text.as_bytes());
            for mut stream in program.attached.drain(..) {
                stream.write_all(&frame[..frame.len() - text.len() / 2 - 1]).ok();
                stream.shutdown(Shutdown::Both).ok();
            }
        });
    }

    /// Cuts the connections over which the log is read.
    pub fn log_is_cut(&self) {
        self.change(|program| program.cut_logs = program.log_readings);
    }

    /// Ends the program; the pod's status says so.
    pub fn exits(&self, code: i32) {
        self.exits_unnoticed();
        self.status_says_exited(code);
    }

    /// Ends the program; the pod's status does not say so yet.
    pub fn exits_unnoticed(&self) {
        self.change(|program| {
            program.has_ended = true;
            for mut stream in program.attached.drain(..) {
                let mut bytes = frame(ERROR, br#"{"metadata":{},"status":"Success"}"#);
                let close = Frame::close(None);
                close
                    .format(&mut bytes)
                    .expect("a frame can be written to memory");
                stream.write_all(&bytes).ok();
                stream.shutdown(Shutdown::Write).ok();
            }
        });
    }

    /// Lets the pod's status say how the program ended.
    pub fn status_says_exited(&self, code: i32) {
        let reason = if code == 0 { "Completed" } else { "Error" };
        self.status_says(&json!({"terminated": {"exitCode": code, "reason": reason}}));
    }

    /// Lets the pod's status say something of the container.
    pub fn status_says(&self, container_state: &Value) {
        let (namespace, pod, container) = &self.key;
        self.shared.change(|state| {
            let Some(mut object) = state.store.get("Pod", namespace, pod).cloned() else {
                panic!("there is no pod {pod:?}");
            };
            let list = list_of(&object, container).expect("the pod has the container");
            let list = list.replace("ontainers", "ontainerStatuses");
            let statuses = &mut object["status"][list];
            let mut others = statuses.as_array().cloned().unwrap_or_default();
            others.retain(|status| status["name"] != **container);
            others.push(json!({"name": container, "state": container_state}));
            *statuses = others.into();
            state.store.put(object);
        });
    }

    fn output(&self, channel: u8, bytes: &[u8]) {
        self.change(|program| {
            program.log.extend_from_slice(bytes);
            let frame = frame(channel, bytes);
            // Whoever has gone away is not told any more.
            program
                .attached
                .retain_mut(|stream| stream.write_all(&frame).is_ok());
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut ProgramState) -> T) -> T {
        self.shared.change(|state| change(of(state, &self.key)))
    }

    fn wait<T>(&self, what: &str, mut wanted: impl FnMut(&mut ProgramState) -> Option<T>) -> T {
        let what = format!("{what} at {:?}", self.key);
        self.shared.wait(&what, |state| wanted(of(state, &self.key)))
    }
}

fn of<'a>(state: &'a mut State, key: &Key) -> &'a mut ProgramState {
    state.programs.entry(key.clone()).or_default()
}

/// The list of the pod's spec that has the container.
fn list_of(pod: &Value, container: &str) -> Option<&'static str> {
    ["ephemeralContainers", "containers", "initContainers"]
        .into_iter()
        .find(|list| {
            let containers = pod["spec"][list].as_array();
            let mut containers = containers.into_iter().flatten();
            containers.any(|found| found["name"] == container)
        })
}

fn frame(channel: u8, bytes: &[u8]) -> Vec<u8> {
    let mut payload = vec![channel];
    payload.extend_from_slice(bytes);
    let frame = Frame::message(payload, OpCode::Data(Data::Binary), true);
    let mut written = Vec::new();
    frame
        .format(&mut written)
        .expect("a frame can be written to memory");
    written
}

fn key(route: &Route, request: &Request) -> Key {
    let pod = route.name.clone().unwrap_or_default();
    (
        route.namespace.clone(),
        pod,
        request.query("container").to_owned(),
    )
}

/// Answers a request for a log.
pub(super) fn log(
    shared: &Arc<Shared>,
    stream: &TcpStream,
    route: &Route,
    request: &Request,
) -> io::Result<bool> {
    let key = key(route, request);
    let follows = request.query("follow") == "true";
    let reading = shared.change(|state| {
        let program = of(state, &key);
        program.log_readings += 1;
        program.is_started.then_some(program.log_readings)
    });
    let Some(reading) = reading else {
        let message = format!(
            "container {:?} in pod {:?} is waiting to start: ContainerCreating",
            key.2, key.1
        );
        let refusal = Response::json(400, &status(400, "BadRequest", &message));
        return refusal.write(stream, usize::MAX).map(|()| true);
    };
    let mut answer = Stream::begin(stream, "text/plain")?;
    let mut sent = 0;
    loop {
        let next = shared.wait_while_up(|state| {
            let program = of(state, &key);
            if reading <= program.cut_logs {
                return Some(None);
            }
            let is_over = program.has_ended || !follows;
            let news = program.log[sent..].to_vec();
            (is_over || !news.is_empty()).then_some(Some((news, is_over)))
        });
        let Some(Some((news, is_over))) = next else {
            return Ok(false);
        };
        sent += news.len();
        answer.write(&news)?;
        if is_over {
            answer.end()?;
            return Ok(true);
        }
    }
}

/// Answers a request to attach, and reads what the client sends until it goes away.
pub(super) fn attach(
    shared: &Arc<Shared>,
    mut stream: &TcpStream,
    reader: &mut BufReader<TcpStream>,
    route: &Route,
    request: &Request,
) -> io::Result<bool> {
    let key = key(route, request);
    let runs = shared.change(|state| {
        let program = of(state, &key);
        program.is_started && !program.has_ended
    });
    if !runs {
        let message = format!(
            "unable to upgrade connection: container {} not found in pod {}_{}",
            key.2, key.1, key.0
        );
        let refusal = Response::json(500, &status(500, "InternalError", &message));
        return refusal.write(stream, usize::MAX).map(|()| true);
    }
    let protocols = request.header("sec-websocket-protocol");
    let protocol = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
        .into_iter()
        .find(|protocol| protocols.contains(protocol));
    let headers = [
        ("Connection".to_owned(), "Upgrade".to_owned()),
        ("Upgrade".to_owned(), "websocket".to_owned()),
        (
            "Sec-WebSocket-Accept".to_owned(),
            derive_accept_key(request.header("sec-websocket-key").as_bytes()),
        ),
        (
            "Sec-WebSocket-Protocol".to_owned(),
            protocol.unwrap_or_default().to_owned(),
        ),
    ];
    let writing = stream.try_clone()?;
    // Nothing may be written between the handshake and the first moment of which the client hears.
    shared.change(|state| {
        stream.write_all(http::head(101, &headers).as_bytes())?;
        let program = of(state, &key);
        program.attached.push(writing);
        program.attaches += 1;
        io::Result::Ok(())
    })?;
    let early = reader.buffer().to_vec();
    let reading = stream.try_clone()?;
    let mut socket = WebSocket::from_partially_read(reading, early, Role::Server, None);
    while let Ok(message) = socket.read() {
        if let Message::Binary(data) = message {
            shared.change(|state| take_input(of(state, &key), &data));
        }
    }
    Ok(false)
}

fn take_input(program: &mut ProgramState, data: &[u8]) {
    match data {
        [STDIN, input @ ..] => program.input.extend_from_slice(input),
        [CLOSE, STDIN] => program.input_has_ended = true,
        [RESIZE, size @ ..] => {
            let size: Value = serde_json::from_slice(size).unwrap_or_default();
            let part = |name: &str| size[name].as_u64().unwrap_or_default();
            program.sizes.push((part("Width"), part("Height")));
        }
        _ => {}
    }
}
