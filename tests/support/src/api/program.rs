//! The simulated program of a container, under the test's control: its output goes to the log and to attached clients, whose input
//! it gets.

use std::{net::Shutdown, sync::Arc};

use serde_json::{Value, json};
use tungstenite::protocol::frame::{
    Frame,
    coding::{Data, OpCode},
};

use super::{Shared, State, outbox::Outbox};
use crate::container_log::{ContainerLog, OutputStream};

/// Namespace, pod and container.
pub(super) type Key = (String, String, String);

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// The most output that is passed to the log and attached clients at once.
const COPY_BYTES: usize = 32 << 10;

/// An attached client, and its streams.
pub(super) struct Attached {
    pub(super) outbox: Outbox,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
}

/// The kubelet's state of a program.
#[derive(Default)]
pub(super) struct ProgramState {
    pub(super) is_started: bool,
    pub(super) has_ended: bool,
    /// Its log can be read before the pod's status says that it has started.
    pub(super) is_known_to_kubelet: bool,
    pub(super) log: ContainerLog,
    /// Output that is not in the log yet, while the log is delayed.
    late: Option<Vec<(OutputStream, Vec<u8>)>>,
    /// Readings of the log up to this number are cut.
    pub(super) cut_logs: usize,
    pub(super) log_readings: usize,
    attached: Vec<Attached>,
    /// Connections that are closed once delayed output was sent.
    ending: Vec<Outbox>,
    attaches: usize,
    attaches_are_held: bool,
    input: Vec<u8>,
    read: usize,
    input_has_ended: bool,
    sizes: Vec<(u64, u64)>,
}

impl ProgramState {
    pub(super) fn attach(&mut self, attached: Attached) {
        attached.outbox.hold(self.attaches_are_held);
        self.attached.push(attached);
        self.attaches += 1;
    }

    fn log(&mut self, stream: OutputStream, bytes: &[u8], time: i128) {
        match &mut self.late {
            Some(late) => late.push((stream, bytes.to_vec())),
            None => self.log.write(stream, bytes, time),
        }
    }

    /// Writes delayed output to the log.
    fn catch_up(&mut self, time: i128) {
        for (stream, bytes) in self.late.take().unwrap_or_default() {
            self.log.write(stream, &bytes, time);
        }
        if self.has_ended {
            self.end_log(time);
        }
    }

    fn end_log(&mut self, time: i128) {
        if self.late.is_none() {
            self.log.end(OutputStream::Stdout, time);
            self.log.end(OutputStream::Stderr, time);
        }
    }

    /// The attached clients of a stream.
    fn wanting(&self, stream: OutputStream) -> Vec<Outbox> {
        let wanting = self.attached.iter().filter(|attached| match stream {
            OutputStream::Stdout => attached.stdout,
            OutputStream::Stderr => attached.stderr,
        });
        wanting.map(|attached| attached.outbox.clone()).collect()
    }

    /// Ends every attach, as a kubelet does at the program's end.
    fn end_attaches(&mut self) {
        for attached in self.attached.drain(..) {
            let mut last = frame(ERROR, br#"{"metadata":{},"status":"Success"}"#);
            Frame::close(None)
                .format(&mut last)
                .expect("a frame can be written to memory");
            attached.outbox.end(last, Shutdown::Write);
            self.ending.push(attached.outbox);
        }
    }

    pub(super) fn take_input(&mut self, data: &[u8]) {
        match data {
            [STDIN, input @ ..] => self.input.extend_from_slice(input),
            [CLOSE, STDIN] => self.input_has_ended = true,
            [RESIZE, size @ ..] => {
                let size: Value = serde_json::from_slice(size).unwrap_or_default();
                let part = |name: &str| size[name].as_u64().unwrap_or_default();
                self.sizes.push((part("Width"), part("Height")));
            }
            _ => {}
        }
    }
}

/// A handle to control a program.
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

    /// Waits for the container, starts it, and updates the pod's status, after its delay.
    pub fn starts(&self) {
        self.starts_unnoticed();
        self.status_follows(json!({"running": {"startedAt": "2026-01-01T00:00:01Z"}}));
    }

    /// Waits for the container and starts it, without updating the pod's status.
    pub fn starts_unnoticed(&self) {
        let (namespace, pod, container) = self.key.clone();
        let what = format!("container {container:?} of pod {pod:?}");
        self.shared.wait(&what, |state| {
            list_of(state.store.get("Pod", &namespace, &pod)?, &container)
        });
        self.change(|program| program.is_started = true);
    }

    /// Lets the log be read although the pod's status does not say yet that the container has started: a kubelet looks at what
    /// it knows itself, and writes the status later.
    pub fn is_known_to_its_kubelet(&self) {
        self.change(|program| program.is_known_to_kubelet = true);
    }

    /// Waits for the container, and sets its status to waiting, with a reason.
    pub fn waits(&self, reason: &str, message: &str) {
        let (namespace, pod, container) = self.key.clone();
        let what = format!("container {container:?} of pod {pod:?}");
        self.shared.wait(&what, |state| {
            list_of(state.store.get("Pod", &namespace, &pod)?, &container)
        });
        self.status_says(&json!({"waiting": {"reason": reason, "message": message}}));
    }

    /// Writes to standard output. Blocks while an attached client does not read.
    pub fn writes(&self, text: &str) {
        self.outputs(OutputStream::Stdout, text.as_bytes());
    }

    /// Writes to standard error. Blocks while an attached client does not read.
    pub fn complains(&self, text: &str) {
        self.outputs(OutputStream::Stderr, text.as_bytes());
    }

    /// Writes bytes to a stream. Blocks while an attached client does not read.
    pub fn outputs(&self, stream: OutputStream, bytes: &[u8]) {
        for part in bytes.chunks(COPY_BYTES) {
            let outboxes = self.change_at(|program, time| {
                program.log(stream, part, time);
                program.wanting(stream)
            });
            let channel = match stream {
                OutputStream::Stdout => STDOUT,
                OutputStream::Stderr => STDERR,
            };
            for outbox in outboxes {
                outbox.push(frame(channel, part));
            }
        }
    }

    /// Writes to standard output, but to the log only: as if attached connections were broken without notice, or the kubelet
    /// had ended an attach before everything was delivered.
    pub fn writes_unheard(&self, text: &str) {
        self.change_at(|program, time| program.log(OutputStream::Stdout, text.as_bytes(), time));
    }

    /// Delays the log until [`Program::log_catches_up`].
    pub fn log_lags(&self) {
        self.change(|program| {
            program.late.get_or_insert_default();
        });
    }

    /// Writes delayed output to the log.
    pub fn log_catches_up(&self) {
        self.change_at(ProgramState::catch_up);
    }

    /// Rotates the log. New readings see the new file only.
    pub fn log_rotates(&self) {
        self.change(|program| program.log.rotate());
    }

    /// Sets the size at which the log is rotated.
    pub fn log_rotates_at(&self, file_bytes: usize) {
        self.change(|program| program.log.limit_files(file_bytes));
    }

    /// Delays output to attached clients until [`Program::attach_flows`].
    pub fn attach_is_held(&self) {
        self.hold_attaches(true);
    }

    /// Sends delayed output to attached clients.
    pub fn attach_flows(&self) {
        self.hold_attaches(false);
    }

    fn hold_attaches(&self, are_held: bool) {
        self.change(|program| {
            program.attaches_are_held = are_held;
            let attached = program.attached.iter().map(|attached| &attached.outbox);
            for outbox in attached.chain(&program.ending) {
                outbox.hold(are_held);
            }
        });
    }

    /// Ends the attached connections as at the program's end, and drops output that was not delivered yet.
    pub fn attach_ends_early(&self) {
        self.change(|program| {
            for attached in &program.attached {
                attached.outbox.clear();
                attached.outbox.hold(false);
            }
            program.end_attaches();
        });
    }

    /// Waits for the n-th attach, counted from 1.
    pub fn is_attached(&self, times: usize) {
        self.wait("an attach", |program| {
            (program.attaches >= times && !program.attached.is_empty()).then_some(())
        });
    }

    /// Waits until the log was requested so many times.
    pub fn log_is_read(&self, times: usize) {
        self.wait("a reading of the log", |program| {
            (program.log_readings >= times).then_some(())
        });
    }

    /// Waits for input that contains a text. Returns the input since the last call, up to its end.
    pub fn reads_until(&self, text: &str) -> String {
        self.wait(&format!("input {text:?}"), |program| {
            let rest = String::from_utf8_lossy(&program.input[program.read..]).into_owned();
            let end = rest.find(text)? + text.len();
            program.read += end;
            Some(rest[..end].to_owned())
        })
    }

    /// Waits until a client ends its input.
    pub fn input_ends(&self) {
        self.wait("the end of the input", |program| {
            program.input_has_ended.then_some(())
        });
    }

    /// Waits until a client reports this size of its terminal.
    pub fn is_resized_to(&self, columns: u64, rows: u64) {
        self.wait("a size of the terminal", |program| {
            program.sizes.contains(&(columns, rows)).then_some(())
        });
    }

    /// Cuts the attached connections.
    pub fn attach_is_cut(&self) {
        self.cut_attaches(&[]);
    }

    /// Cuts the attached connections within a frame that begins with a text. The log has the text.
    pub fn attach_is_cut_within(&self, text: &str) {
        let frame = frame(STDOUT, text.as_bytes());
        self.writes_unheard(text);
        self.cut_attaches(&frame[..frame.len() - text.len() / 2 - 1]);
    }

    fn cut_attaches(&self, last: &[u8]) {
        self.change(|program| {
            for attached in program.attached.drain(..) {
                attached.outbox.end(last.to_vec(), Shutdown::Both);
            }
        });
    }

    /// Cuts the connections of readings of the log.
    pub fn log_is_cut(&self) {
        self.change(|program| program.cut_logs = program.log_readings);
    }

    /// Ends the program, and updates the pod's status, after its delay.
    pub fn exits(&self, code: i32) {
        self.exits_unnoticed();
        self.status_follows(terminated(code));
    }

    /// Ends the program, without updating the pod's status.
    pub fn exits_unnoticed(&self) {
        self.change_at(|program, time| {
            program.has_ended = true;
            program.end_log(time);
            program.end_attaches();
        });
    }

    /// Updates the pod's status with the program's end.
    pub fn status_says_exited(&self, code: i32) {
        self.status_says(&terminated(code));
    }

    /// Sets the container's state in the pod's status.
    pub fn status_says(&self, container_state: &Value) {
        self.shared.change(|state| state.say(&self.key, container_state));
    }

    /// The same, after the status's delay.
    fn status_follows(&self, container_state: Value) {
        self.shared.change(|state| {
            let due = state.clock + state.status_lag;
            state.statuses.push((due, self.key.clone(), container_state));
            state.say_what_is_due();
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut ProgramState) -> T) -> T {
        self.shared.change(|state| change(of(state, &self.key)))
    }

    /// The same with the current time, which advances a little.
    fn change_at<T>(&self, change: impl FnOnce(&mut ProgramState, i128) -> T) -> T {
        self.shared.change(|state| {
            state.clock += 1_000;
            let time = state.clock;
            change(of(state, &self.key), time)
        })
    }

    pub(super) fn wait<T>(&self, what: &str, mut wanted: impl FnMut(&mut ProgramState) -> Option<T>) -> T {
        let what = format!("{what} at {:?}", self.key);
        self.shared.wait(&what, |state| wanted(of(state, &self.key)))
    }
}

impl State {
    fn say(&mut self, (namespace, pod, container): &Key, container_state: &Value) {
        let Some(mut object) = self.store.get("Pod", namespace, pod).cloned() else {
            panic!("there is no pod {pod:?}");
        };
        let list = list_of(&object, container).expect("the pod has the container");
        let list = list.replace("ontainers", "ontainerStatuses");
        let statuses = &mut object["status"][list];
        let mut others = statuses.as_array().cloned().unwrap_or_default();
        others.retain(|status| status["name"] != **container);
        others.push(json!({"name": container, "restartCount": 0, "state": container_state}));
        *statuses = others.into();
        self.store.put(object);
    }

    /// Applies the status updates that are due.
    pub(super) fn say_what_is_due(&mut self) {
        let now = self.clock;
        let (due, later) = std::mem::take(&mut self.statuses)
            .into_iter()
            .partition(|(time, ..)| *time <= now);
        self.statuses = later;
        for (_, key, container_state) in due {
            self.say(&key, &container_state);
        }
    }
}

fn terminated(code: i32) -> Value {
    let reason = if code == 0 { "Completed" } else { "Error" };
    json!({"terminated": {"exitCode": code, "reason": reason, "containerID": "containerd://1f0e"}})
}

pub(super) fn of<'a>(state: &'a mut State, key: &Key) -> &'a mut ProgramState {
    state.programs.entry(key.clone()).or_default()
}

/// The list of the pod's spec that has the container.
pub(super) fn list_of(pod: &Value, container: &str) -> Option<&'static str> {
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
